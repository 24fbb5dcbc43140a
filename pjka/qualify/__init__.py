"""Decisions about qualify: contact status and what is due when; no clock, thread, socket or file."""
