"""What a storm of connections is let loose on, each in a process of its own.

``python storm.py daemon FILE SOCKET``: a daemon that says on each line of its standard input what it holds.
``python storm.py wrong``: pjproject with a worker thread, and a lock around raw sends that the state callback
takes too; it says its port, and then that it lives, for as long as it does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

import pjsua2 as pj

from pjka.daemon import Daemon, DaemonSettings
from pjka.logs import LogSettings, configured
from pjka.pjproject.callbacks import Callbacks, TransportState
from pjka.pjproject.engine import active_engine
from pjka.pjproject.native import Native

BEAT = 0.1


def held(daemon: Daemon) -> dict[str, int]:
    """What must not be left after a storm."""
    native = daemon.endpoint.native
    return {
        "pjproject": int(native.library.pjsip_tpmgr_get_transport_count(native.manager)),
        "monitors": len(daemon.module.monitors),
        "handles": daemon.module.gate.in_use,
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def run_daemon(file: str, control: str) -> None:
    with configured(LogSettings(logging.INFO), sys.stderr):
        daemon = Daemon(DaemonSettings(file, Path(control)), os.environ)
        daemon.start()
        print("ready", flush=True)
        for _ in sys.stdin:
            print(json.dumps(daemon.module.reactor.call(lambda: held(daemon))), flush=True)
        daemon.stop()


class Wrong:
    """Connections in a table with a lock, as one writes it at first."""

    def __init__(self, native: Native) -> None:
        self.native = native
        self.lock = threading.Lock()
        self.connections: set[int] = set()

    def on_state(self, transport: int, state: TransportState, status: int) -> None:
        if not self.native.is_reliable(transport):
            return
        with self.lock:
            if state is TransportState.CONNECTED:
                self.native.hold(transport)
                self.connections.add(transport)
            elif transport in self.connections:
                self.connections.remove(transport)
                self.native.release(transport)

    def on_request(self, transport: int) -> None:
        """Not of interest."""

    on_response = on_request

    def on_dropped(self, transport: int, data: bytes, status: int) -> None:
        """Not of interest."""

    def ping(self) -> None:
        with self.lock:
            for transport in self.connections:
                self.native.send_raw(transport, b"\r\n\r\n")


def run_wrong() -> None:
    native = Native(active_engine().path)
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    configuration = pj.EpConfig()
    configuration.uaConfig.threadCnt = 1
    configuration.medConfig.hasIoqueue = False
    configuration.logConfig.level = 0
    endpoint.libInit(configuration)
    native.disable_keep_alive()
    wrong = Wrong(native)
    callbacks = Callbacks(native, wrong)
    callbacks.install()
    endpoint.libStart()
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)
    (factory,) = native.factories()
    print("port", native.factory_address(factory)[1], flush=True)
    while True:
        until = time.monotonic() + BEAT
        while time.monotonic() < until:
            wrong.ping()
        print("alive", len(wrong.connections), flush=True)


if __name__ == "__main__":
    run_wrong() if sys.argv[1] == "wrong" else run_daemon(*sys.argv[2:])
