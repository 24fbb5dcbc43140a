"""Which build of pjproject is active, what it can bear, and what is wrong with it.

Two builds answer to ``import pjsua2``: the trial wheel and the production build of ``engine/``. What differs
between them is data here, so that the rest of pjka has one path. A build that is neither is refused, because
pjka reads pjproject's structures and counts on its limits.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pjka.errors import PjkaError
from pjka.pjproject.defects import Defect, defects_of
from pjka.pjproject.layouts import layout_of

TRIAL = "trial"
PRODUCTION = "production"
SELECTOR = "PJKA_ENGINE"
TRIAL_DISTRIBUTION = "pjsua2-python"
ADVICE = "run `make engine` for the production build"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one build was compiled to hold.

    ``handles`` are sockets in total, with listeners; ``socket_options`` is how many options pjproject sets
    on a transport's sockets; ``packet`` is the largest message in bytes; ``descriptor`` is the first file
    descriptor that is too high for the I/O queue, None where any will do.
    """

    handles: int
    accounts: int
    calls: int
    socket_options: int
    packet: int
    descriptor: int | None


# As compiled into the wheel: pjproject's defaults, and FD_SETSIZE of the C library.
_TRIALS = {
    "2.15.1.post1": Limits(handles=64, accounts=8, calls=4, socket_options=4, packet=4000, descriptor=1024),
}


@dataclass(frozen=True, slots=True)
class Engine:
    """The pjproject that ``import pjsua2`` gives.

    ``name`` is `TRIAL` or `PRODUCTION`, ``version`` pjproject's own, ``path`` the shared object, ``ioqueue``
    epoll or select, ``tls`` the TLS library as it names itself.
    """

    name: str
    version: str
    path: str
    ioqueue: str
    tls: str
    limits: Limits
    defects: tuple[Defect, ...]

    @property
    def loopback_only(self) -> bool:
        """Whether it must not be reached by other hosts: any peer can end the trial engine's process."""
        return self.name == TRIAL


def active_engine(environment: Mapping[str, str] = os.environ) -> Engine:
    """The engine that ``import pjsua2`` gives in this process, with what it says of itself.

    PjkaError if there is none, if it is not one that pjka knows, or if ``PJKA_ENGINE`` asks for another one.
    """
    path = _module_path()
    library = ctypes.CDLL(path)
    version = _text(library, "pj_get_version")
    name, limits = _recognise(Path(path), version)
    _agree(name, environment.get(SELECTOR))
    return Engine(
        name=name,
        version=version,
        path=path,
        ioqueue=_text(library, "pj_ioqueue_name").partition("[")[0],
        tls=_tls_library(library),
        limits=limits,
        defects=defects_of(version, trial=name == TRIAL),
    )


def _module_path() -> str:
    try:
        bindings = sys.modules[importlib.import_module("pjsua2").Endpoint.__module__]
    except ImportError as error:
        raise PjkaError(f"there is no pjproject for this Python ({error}); {ADVICE}") from error
    return str(bindings._pjsua2.__file__)


def _text(library: ctypes.CDLL, function: str, *arguments: int) -> str:
    call = getattr(library, function)
    call.restype = ctypes.c_char_p
    return bytes(call(*arguments)).decode("ascii", "replace")


def _tls_library(library: ctypes.CDLL) -> str:
    """The symbol is found in the libraries that the engine is linked with; OpenSSL renamed it in 1.1."""
    name = "OpenSSL_version" if hasattr(library, "OpenSSL_version") else "SSLeay_version"
    return _text(library, name, 0)


def _recognise(path: Path, version: str) -> tuple[str, Limits]:
    description = path.with_name("build.json")
    if description.is_file():
        return PRODUCTION, _built_limits(path, version, json.loads(description.read_text(encoding="utf-8")))
    return TRIAL, _trial_limits(path, version)


def _built_limits(path: Path, version: str, build: Mapping[str, Any]) -> Limits:
    """What the compiler saw is in ``build.json``; it has to agree with what pjka counts on."""
    known = asdict(layout_of(version))
    moved = sorted(name for name, offset in build["layout"].items() if known.get(name) != offset)
    if build["version"] != version or moved:
        what = f"moved members: {', '.join(moved)}" if moved else f"its build.json is of {build['version']}"
        raise PjkaError(
            f"pjproject {version} in {path} is not built as pjka knows it ({what}); {ADVICE} again"
        )
    limits = build["limits"]
    return Limits(
        handles=limits["handles"],
        accounts=limits["accounts"],
        calls=limits["calls"],
        socket_options=limits["socket_options"],
        packet=limits["packet"],
        descriptor=None,
    )


def _trial_limits(path: Path, version: str) -> Limits:
    expected = " or ".join(f"{TRIAL_DISTRIBUTION} {wheel}" for wheel in _TRIALS)
    try:
        wheel = importlib.metadata.distribution(TRIAL_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        wheel = None
    if wheel is None or Path(str(wheel.locate_file("pjsua2"))) != path.parent:
        raise PjkaError(
            f"pjka does not know the build of pjproject {version} in {path}; {ADVICE}", expected=expected
        )
    if wheel.version not in _TRIALS:
        found = f"{TRIAL_DISTRIBUTION} {wheel.version}"
        raise PjkaError(f"pjka does not know {found}; {ADVICE}", expected=expected)
    return _TRIALS[wheel.version]


def _agree(name: str, wanted: str | None) -> None:
    if not wanted or wanted == name:
        return
    if wanted not in (TRIAL, PRODUCTION):
        raise PjkaError("unknown engine", option=SELECTOR, value=wanted, expected=f"{TRIAL} or {PRODUCTION}")
    how = ADVICE if wanted == PRODUCTION else f"install {TRIAL_DISTRIBUTION} for the trial engine"
    raise PjkaError(f"the {wanted} engine is not installed; {how}", option=SELECTOR, value=wanted)
