"""Registrations of ours with other servers, one flow for each outbound proxy (RFC 5626 4)."""
