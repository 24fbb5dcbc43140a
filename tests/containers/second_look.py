"""A second look at the sockets of a process, without pjka: run as a program, it prints them as JSON.

``second_look.py PID``: once. ``second_look.py PID SECONDS PORT=WANTED...``: again and again, until every
socket with one of these local ports has the wanted options, at most that long; the moment is printed too.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import time

PIDFD_GETFD = 438
OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (socket.IPPROTO_TCP, 18),
)


def look(pid: int) -> dict[str, list[int]]:
    """The options of each TCP socket, by its two ports (0: a listener)."""
    libc, pidfd, found = ctypes.CDLL(None), os.pidfd_open(pid), {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
        except OSError:
            continue
        copy = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        if copy < 0:
            continue
        with socket.socket(fileno=copy) as one:
            if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM:
                continue
            try:
                peer = one.getpeername()[1]
            except OSError:
                peer = 0
            found[f"{one.getsockname()[1]} {peer}"] = [one.getsockopt(*option) for option in OPTIONS]
    os.close(pidfd)
    return found


def main() -> None:
    pid, *rest = sys.argv[1:]
    if not rest:
        print(json.dumps(look(int(pid))))
        return
    wanted = {port: json.loads(options) for port, _, options in (word.partition("=") for word in rest[1:])}
    deadline = time.monotonic() + float(rest[0])
    print("ready", flush=True)
    while True:
        found = look(int(pid))
        moment = time.monotonic()
        ours = {ports: options for ports, options in found.items() if ports.split()[0] in wanted}
        wrong = {ports: options for ports, options in ours.items() if options != wanted[ports.split()[0]]}
        if not wrong or moment > deadline:
            print(json.dumps({"at": moment, "count": len(ours), "wrong": wrong}), flush=True)
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
