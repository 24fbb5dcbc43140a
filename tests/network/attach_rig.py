"""The matrix with `pjka attach` beside a PBX that knows nothing of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

from pjka.attach import rows
from pjka.attach.watch import Target, Watch
from pjka.events import Events
from pjka.lab import PBX_ADDRESS

from .matrix import HERE, PBX_PORT, PHONE_ADDRESS, PHONE_PORT, Found, Heard, Rig, order


class AttachRig(Rig):
    """A process that knows nothing of pjka is the PBX."""

    watch: Watch | None = None

    def start_pbx(self) -> None:
        if self.case.mechanism.pjproject:
            command = [sys.executable, str(HERE / "pjproject_alone.py"), str(self.config)]
            command.append(str(self.case.mechanism.pjproject))
            self.pbx = self.lab.pbx.popen(command, stdout=subprocess.PIPE, text=True)
            self.pbx_heard = Heard(self.pbx)
            self.undo.callback(self.pbx_heard.join)
            self.undo.callback(self.pbx.kill)
        else:
            beat = ("--beat", *self.case.mechanism.beat) if self.case.mechanism.beat else ()
            listen = ("--listen", f"{PBX_ADDRESS}:{PBX_PORT}")
            self.pbx, self.pbx_heard = self.stand_in(self.lab.pbx, *listen, *beat)
        self.pbx_heard.wait("listening")
        if self.case.mechanism.attached:
            self.attach()

    def attach(self) -> None:
        pid, told = self.pbx.pid, []
        # the transport of calls that the PBX makes is told from the configured contact
        watch = self.watch = Watch(Target(lambda: pid, str(self.config)), Events())
        watch.events.subscribe(told.append)
        self.told: list[Any] = told
        self.undo.callback(watch.close)
        watch.attach()
        thread = threading.Thread(target=watch.run)
        thread.start()
        self.undo.callback(thread.join)
        self.undo.callback(watch.stop)

    def call_phone(self) -> None:
        order(self.pbx, "connect", PHONE_ADDRESS, PHONE_PORT, 5071)

    def connected(self) -> None:
        """Have pjka look now, and see that the connection has its policy."""
        if self.watch is not None:
            self.watch.call(lambda session: session.attachment.look_at_all(session.now(), 1.0))
            (row,) = self.watch.call(rows.connections)
            assert (row.transport, row.direction, row.drift) == ("t", self.case.direction, ())

    def write(self) -> None:
        order(self.pbx, "send", "options")

    def found(self) -> Found:
        """What the PBX itself was told by its kernel, and the cause that pjka gives."""
        found = Found()
        ended = [line for line in self.pbx_heard.lines if line[1].startswith(("error", "closed"))]
        if self.case.mechanism.attached:
            downs = [event for event in self.told if event.name == "connection-down"]
            for down in downs:
                found.cause, found.after = down.cause, down.at - self.cut_at
            found.log = [str(event) for event in self.told[-3:]]
        if ended and self.case.mechanism.pjproject == 0:
            found.after, found.problem = ended[0][0] - self.cut_at, self._contradiction(found, ended[0][1])
        return found

    def _contradiction(self, found: Found, words: str) -> str:
        if self.case.mechanism.attached and found.cause is None:
            return f"the PBX has seen {words!r}, and pjka nothing"
        return ""
