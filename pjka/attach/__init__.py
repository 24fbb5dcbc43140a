"""`attach`: the policy of each transport applied to the sockets of another process, and kept there."""
