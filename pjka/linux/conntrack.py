"""The table of connections of a stateful firewall (nf_conntrack), through netlink."""

from __future__ import annotations

from pyroute2 import NFCTSocket


def forget_all() -> None:
    """Empty the table of the network namespace that the caller is in; OSError without CAP_NET_ADMIN."""
    netlink = NFCTSocket()
    try:
        netlink.flush()
    finally:
        netlink.close()
