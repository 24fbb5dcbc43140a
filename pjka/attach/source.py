"""The configuration of the process attached to: read as the process sees it, and again when it changes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pjka.attach.assign import Assigner, peers
from pjka.attach.contacts import targets
from pjka.attach.held import Wanted
from pjka.attach.names import Names
from pjka.check import policies
from pjka.conf.files import inside
from pjka.conf.loader import Configuration, load
from pjka.errors import PjkaError
from pjka.keepalive.platforms import Platform
from pjka.keepalive.policy import Policy
from pjka.pbx.contacts import PbxContact

_NAMES_SECONDS = 2.0

Signature = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration means for sockets; ``wanted`` has the transports that want something of the
    kernel.

    ``rejected``: the transports of which the version before stays in force, each with the reason.
    """

    configuration: Configuration
    policies: Mapping[str, Policy]
    wanted: Mapping[str, Wanted]
    assigner: Assigner
    rejected: Mapping[str, str]


class Source:
    """Where the configuration is: ``path``, in the file system of a process whose root is ``root`` (None:
    ours).

    ``default`` is the transport for outgoing connections that nothing leads to, "" for none.
    """

    def __init__(self, path: str, root: Path | None, platform: Platform, default: str = "") -> None:
        self.path = path
        self.root = root
        self.platform = platform
        self._default = default
        self._files: tuple[str, ...] = (path,)
        self._signature: Signature = ()
        self._latest: Signature = ()

    def load(self, contacts: Iterable[PbxContact] = (), before: Plan | None = None) -> Plan:
        """Read it now and take it as seen; ``contacts`` are those that the PBX has.

        Raises ConfigurationError where it is unusable, PjkaError where ``default`` is not there.
        """
        self._signature = self._sign()
        plan = self.read(contacts, before)
        self._files = plan.configuration.files
        self._signature = self._sign()
        return plan

    def read(self, contacts: Iterable[PbxContact], before: Plan | None) -> Plan:
        """The same without taking it as seen.

        Where a transport's new version is rejected, the one of ``before`` stays: its connections live on.
        """
        new = load(self.path, root=self.root)
        old = before.configuration.transports if before else {}
        rejected = {
            name: reason for name in old.keys() - new.transports.keys() if (reason := _why(name, new))
        }
        kept = {name: old[name] for name in old if name in rejected}
        configuration = replace(new, transports={**new.transports, **kept})
        self._check_default(configuration)
        found = policies(configuration, self.platform)
        wanted = {name: Wanted.by(policy, self.platform) for name, policy in found.items()}
        some = {name: want for name, want in wanted.items() if want is not None}
        return self.lead(Plan(configuration, found, some, Assigner({}, {}), rejected), contacts)

    def lead(self, plan: Plan, contacts: Iterable[PbxContact]) -> Plan:
        """The same plan with the way to these contacts in it."""
        # each with a time of its own: slow names of peers must not lose the listeners
        leads = peers(
            plan.configuration, targets(contacts, plan.configuration), Names(_NAMES_SECONDS).addresses
        )
        transports, binds = plan.configuration.transports, Names(_NAMES_SECONDS)
        return replace(plan, assigner=Assigner(transports, leads, self._default, binds.addresses))

    def changed(self) -> bool:
        """Whether any of its files, or of the directories they are in, is not as it was when last read.

        Looking is cheaper than a watch of the kernel's and sees what that misses: a file replaced below
        another mount, as containers do. A new file that an include pattern takes in changes its directory.
        What still changes from one call to the next is being written, and half of it is not taken for all.
        """
        before, self._latest = self._latest, self._sign()
        return self._latest == before != self._signature

    def _check_default(self, configuration: Configuration) -> None:
        transport = configuration.transports.get(self._default)
        if self._default and (transport is None or transport.protocol not in ("tcp", "tls")):
            raise PjkaError(
                "no such transport",
                option="--default-transport",
                value=self._default,
                expected="the name of a tcp or tls transport",
            )

    def _sign(self) -> Signature:
        names = {path for file in self._files for path in (file, os.path.dirname(file) or ".")}
        return tuple(self._stat(name) for name in sorted(names))

    def _stat(self, name: str) -> tuple[int, ...]:
        try:
            status = inside(self.root, name).stat()
        except (OSError, ValueError):
            return ()
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _why(transport: str, configuration: Configuration) -> str:
    """Why a transport was rejected, "" if it is not in the file at all."""
    prefix = f"transport {transport}:"
    return next((one.message for one in configuration.findings if one.message.startswith(prefix)), "")
