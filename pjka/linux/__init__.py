"""The kernel's view of sockets and processes: options, tcp_info, sock_diag, pidfd."""
