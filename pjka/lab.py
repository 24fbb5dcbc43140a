"""A laboratory: a PBX, a firewall and a phone in network namespaces of their own, and cuts of every kind.

::

    with Lab() as lab:
        pbx = lab.pbx.popen(["my-server"])          # 10.77.1.1
        phone = lab.phone.popen(["my-client"])      # 10.77.2.1
        lab.firewall.drop_both_ways()

Everything has a random name and lives in namespaces, so nothing outside them is touched. What one run made is
removed at its end; what a killed run left behind, processes included, is removed by the next that sees the
same processes: the names carry the maker's pid, its start time and the pid namespace in which both count.
Needs root, ``ip`` and ``nft``.

The cuts, and what the PBX's side sees of each:

=====================================  ==============================================================
`Firewall.drop_both_ways`              nothing any more
`Firewall.drop_to_pbx`                 nothing any more, though the phone hears it
`Firewall.drop_to_phone`               the phone's segments, but nothing is acknowledged
`Firewall.link_down`                   nothing any more; its own interface stays up
`Firewall.forget_after`, `forget`      a stateful firewall drops what it has forgotten
`Firewall.translate`, `rebind`         the phone comes from another port; what goes to the old is lost
`Namespace.reset_connections`          RST, as from a machine that has restarted
``child.kill()``                       FIN, as the kernel closes the sockets of a killed process
`Namespace.power_off`                  nothing any more: no RST, no FIN
`freeze`                               acknowledgements, and no SIP
``socket.shutdown(SHUT_WR)``           FIN, while the phone would go on receiving
=====================================  ==============================================================
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from pjka.errors import PjkaError
from pjka.linux import conntrack
from pjka.linux.connections import Diagnostics
from pjka.linux.process import in_namespace, start_time

T = TypeVar("T")

PBX_ADDRESS = "10.77.1.1"
PHONE_ADDRESS = "10.77.2.1"
FIREWALL_ADDRESS = "10.77.1.2"
"""Where the phone seems to be once the firewall translates addresses."""

_PREFIX = "pjkalab"
_NAMED = Path("/run/netns")
_WAIT = 20.0
_TABLE = "table inet lab"
_DENIED = ("Operation not permitted", "Permission denied")


class LabError(PjkaError):
    """A laboratory cannot be made here; the message has what the system said."""


class LabDeniedError(LabError):
    """This user may not make one: it takes CAP_SYS_ADMIN and CAP_NET_ADMIN."""


class Namespace:
    """One network namespace of the laboratory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._children: list[subprocess.Popen[Any]] = []

    def make(self) -> None:
        """Make it, with its loopback interface up."""
        _run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> None:
        """``ip`` inside."""
        _run("ip", "-n", self.name, *words)

    def nft(self, ruleset: str) -> None:
        """Add rules to its firewall."""
        _run("ip", "netns", "exec", self.name, "nft", "-f", "-", text=ruleset)

    def sysctl(self, name: str, value: int) -> None:
        """Set a kernel parameter of this namespace, written with dots."""
        _run("ip", "netns", "exec", self.name, "sysctl", "-qw", f"{name}={value}")

    def run(self, make: Callable[[], T]) -> T:
        """Call ``make`` inside: a socket made there stays there."""
        return in_namespace(str(_NAMED / self.name), make)

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside; it is killed at the end of the laboratory."""
        child = subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)
        self._children.append(child)
        return child

    def reset_connections(self) -> None:
        """Break off every connection with an RST."""
        with self.run(Diagnostics) as kernel:
            for connection in kernel.connections():
                kernel.destroy(connection)

    def power_off(self) -> None:
        """Let the machine die without a word: what runs inside is killed, and nothing leaves any more."""
        self.nft(f"{_TABLE} {{ chain dead {{ type filter hook output priority 0; policy drop\n}}\n}}")
        self._end_children()

    def remove(self) -> None:
        """End what runs inside and remove it, if it was made at all."""
        self._end_children()
        if (_NAMED / self.name).exists():
            _remove(self.name)

    def _end_children(self) -> None:
        for child in self._children:
            child.kill()
            child.wait()


class Firewall(Namespace):
    """The namespace between the two, which forwards, and forgets or drops as it is told."""

    def drop_both_ways(self) -> None:
        """Drop everything silently."""
        self._cut("drop")

    def drop_to_pbx(self) -> None:
        """Drop what the phone sends."""
        self._cut(f"ip daddr {PBX_ADDRESS} drop")

    def drop_to_phone(self) -> None:
        """Drop what the PBX sends."""
        self._cut(f"ip daddr {PHONE_ADDRESS} drop")

    def link_down(self) -> None:
        """Pull the cable to the phone: the PBX sees nothing of it."""
        self.ip("link", "set", "to-phone", "down")

    def forget_after(self, seconds: int) -> None:
        """Be stateful: connections are opened from the phone's side only, and an idle one is forgotten."""
        self.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
        self.sysctl("net.netfilter.nf_conntrack_tcp_timeout_established", seconds)
        self.nft(
            f"{_TABLE} {{ chain state {{ type filter hook forward priority 0; policy drop;\n"
            "ct state established,related accept\n"
            'iifname "to-phone" tcp flags & (syn|ack) == syn accept\n'
            "meta l4proto { icmp, udp } accept\n}\n}"
        )

    def forget(self) -> None:
        """Forget every connection now."""
        self.run(conntrack.forget_all)

    def translate(self, port: int) -> None:
        """Translate the phone's new connections to the firewall's own address and this source port.

        As most home routers do, it leaves what it has no mapping for without an answer.
        """
        self.nft(
            f"{_TABLE} {{ chain nat {{ type nat hook postrouting priority 100\n"
            f'oifname "to-pbx" meta l4proto tcp snat ip to {FIREWALL_ADDRESS}:{port}\n}}\n'
            "chain own { type filter hook input priority 0\n"
            'iifname "to-pbx" meta l4proto tcp drop\n}\n}'
        )

    def rebind(self, port: int) -> None:
        """Lose the mappings, and translate whatever the phone sends from now on to this source port."""
        self.nft("delete chain inet lab nat\ndelete chain inet lab own")
        self.translate(port)
        self.forget()

    def mend(self) -> None:
        """Undo cuts: forward everything again."""
        with contextlib.suppress(LabError):
            self.nft(f"delete {_TABLE}")
        self.ip("link", "set", "to-phone", "up")

    def _cut(self, rule: str) -> None:
        self.nft(f"{_TABLE} {{ chain cut {{ type filter hook forward priority -10\n{rule}\n}}\n}}")


class Lab:
    """The three namespaces, joined by two cables; a context manager. LabError where it cannot be made."""

    def __init__(self) -> None:
        maker = f"{os.getpid()}-{start_time(os.getpid())}-{_pid_namespace()}"
        token = f"{_PREFIX}-{maker}-{secrets.token_hex(4)}"
        self.pbx = Namespace(f"{token}-pbx")
        self.firewall = Firewall(f"{token}-fw")
        self.phone = Namespace(f"{token}-phone")
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Lab:
        remove_leftovers()
        with contextlib.ExitStack() as undo:
            for namespace in (self.pbx, self.firewall, self.phone):
                undo.callback(namespace.remove)
                namespace.make()
            self._join(self.pbx, "to-pbx", PBX_ADDRESS, FIREWALL_ADDRESS)
            self._join(self.phone, "to-phone", PHONE_ADDRESS, "10.77.2.2")
            self.firewall.sysctl("net.ipv4.ip_forward", 1)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _join(self, far: Namespace, interface: str, address: str, gateway: str) -> None:
        """A veth pair between ``far`` and the firewall, made inside the firewall."""
        self.firewall.ip("link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", far.name)
        self.firewall.ip("address", "add", f"{gateway}/24", "dev", interface)
        self.firewall.ip("link", "set", interface, "up")
        far.ip("address", "add", f"{address}/24", "dev", "eth0")
        far.ip("link", "set", "eth0", "up")
        far.ip("route", "add", "default", "via", gateway)


def freeze(child: subprocess.Popen[Any]) -> None:
    """Stop a process: its TCP answers, its SIP does not."""
    child.send_signal(signal.SIGSTOP)


def thaw(child: subprocess.Popen[Any]) -> None:
    """Let a frozen process go on."""
    child.send_signal(signal.SIGCONT)


def remove_leftovers() -> None:
    """Remove namespaces of laboratories whose makers are gone, and end what still runs in them.

    Not those made in another pid namespace, as that of a container that shares our ``/run/netns``: whether
    their makers live is not to be seen from here.
    """
    for path in _NAMED.glob(f"{_PREFIX}-*-*-{_pid_namespace()}-*-*"):
        _, pid, started, *_ = path.name.split("-")
        if not (pid.isdecimal() and str(start_time(int(pid))) == started):
            with contextlib.suppress(LabError):  # another run may be removing the same
                _remove(path.name)


def _pid_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _remove(name: str) -> None:
    for pid in _run("ip", "netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    _run("ip", "netns", "delete", name)


def _run(*command: str, text: str | None = None) -> str:
    """Run a program in a session of its own, so that no Ctrl-C leaves its work half done; what it said."""
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=_WAIT,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed (packages iproute2 and nftables)") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{command[0]}: {error}") from error
    if done.returncode:
        kind = LabDeniedError if any(words in done.stderr for words in _DENIED) else LabError
        raise kind(f"{' '.join(command)}: {done.stderr.strip()[:300]}")
    return done.stdout
