"""A registrar whose contacts are bound to the connections that carry them (RFC 3261 10.3, RFC 5626 6)."""
