"""pjproject as a SIP server without pjka's policies: its own CRLF timer on, every so many seconds.

Arguments: a pjsip.conf, of which all transports are started, and the seconds.
"""

from __future__ import annotations

import ctypes
import sys
import threading

from pjka.conf.loader import load
from pjka.pjproject.endpoint import Endpoint, EndpointSettings
from pjka.pjproject.transports import start_listener


def main(path: str, seconds: int) -> None:
    endpoint = Endpoint(EndpointSettings(trial_reachable=True))
    endpoint.start()
    native, layout = endpoint.native, endpoint.native.layout
    for offset in (layout.config_tcp_keep_alive, layout.config_tls_keep_alive):
        ctypes.c_long.from_address(native._config + offset).value = seconds
    assert native.keep_alive_intervals() == (seconds, seconds)
    for transport in load(path).transports.values():
        endpoint.reactor.call(lambda transport=transport: start_listener(endpoint, transport, ()))
    print("0 listening", flush=True)
    threading.Event().wait(600)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
