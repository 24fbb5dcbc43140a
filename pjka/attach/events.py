"""What `attach` tells beyond the events that `run` has too."""

from __future__ import annotations

from dataclasses import dataclass

from pjka.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached(Event):
    """pjka found the process and looks after its sockets from now on.

    ``may_kill``: whether it has the right to end connections, which nothing else needs.
    """

    pid: int
    program: str
    configuration: str
    may_kill: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached(Event):
    """The process ended, became another program, or cannot be looked into any more."""

    pid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Event):
    """The policy of a transport was applied to ``sockets`` sockets; ``changed`` of them were not like that.

    ``unmet``: those that could not be brought to it. ``later``: those whose peer must answer first.
    """

    transport: str
    sockets: int
    changed: int
    unmet: int
    later: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationKept(Event):
    """The configuration changed and is unusable; the one before stays in force."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxSilent(Event):
    """The PBX does not tell what it knows, or a connection of its cannot be ended; pjka does without."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PingsCompete(Event):
    """The PBX sends CRLF pings every ``interval`` seconds where the kernel's keep-alive is in force.

    ``source``: "wire" where they were seen, "pbx" where the PBX says so. ``advice``: what to do.
    """

    transport: str
    interval: float
    source: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PingsOff(Event):
    """``keep_alive_interval=0`` was written to ``file``; ``backup`` is the old one, beside it."""

    file: str
    backup: str
