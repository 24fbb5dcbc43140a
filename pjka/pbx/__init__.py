"""What the PBX itself says: its manager interface and its database of contacts."""
