"""`pjka drill`: each transport's connections through cut paths, predicted and measured, on this kernel.

Every case has a laboratory of its own: a connection from the phone to the PBX, the options of the transport's
policy on the PBX's socket, and a cut. The sockets are plain ones of the kernel, which the options are set on
as in `pjka run`; pjproject has no part in it, and neither has TLS, as keep-alive is below it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pjka.conf.loader import Configuration
from pjka.drill_attempt import Attempt, Outcome, set_timers
from pjka.drill_plan import Case, cases, scaled, shorter
from pjka.errors import PjkaError
from pjka.keepalive.platforms import LINUX, linux_retransmission
from pjka.lab import Lab
from pjka.linux import system_timers

_SYSCTLS = Path("/proc/sys/net/ipv4")
_RTO_MAX = "tcp_rto_max_ms"
_AT_ONCE: Final = 64
_SETTING_UP: Final = 4
_LEAST_WATCH: Final = 10.0


@dataclass(frozen=True, slots=True)
class Drill:
    """All that is to be tried: ``beyond`` are the cases that would take longer than the limit."""

    cases: tuple[Case, ...]
    beyond: tuple[Case, ...]
    sysctls: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """About how long it takes: as long as its longest case."""
        return max(self.watch if math.isinf(case.seconds) else case.seconds for case in self.cases)

    @property
    def watch(self) -> float:
        """How long a connection is watched that is predicted not to end."""
        finite = (case.longest for case in self.cases if math.isfinite(case.longest))
        return max((_LEAST_WATCH, *finite))


def prepare(configuration: Configuration, scale: float, limit: float) -> Drill:
    """Work out what is to be tried; ``limit`` is the longest that a case may take, in seconds.

    PjkaError where nothing can be tried; LabError, LabDeniedError where laboratories cannot be made.
    """
    sysctls = _sysctls(scale)
    with Lab() as lab:
        set_timers(lab, sysctls)
        platform = replace(LINUX, timers=lab.pbx.run(system_timers.read))
    planned = tuple(cases(scaled(configuration, scale), platform))
    if not planned:
        raise PjkaError("no tcp or tls transport to drill", file=configuration.path)
    beyond = tuple(each for each in planned if limit < each.seconds < math.inf)
    within = tuple(each for each in planned if each not in set(beyond))
    if not within:
        raise PjkaError(f"nothing to drill takes {limit:g} s or less", file=configuration.path)
    return Drill(within, beyond, sysctls)


@contextmanager
def running(drill: Drill, began: Callable[[Case], object]) -> Iterator[Iterator[Outcome]]:
    """Try everything at once; the outcomes come as they are known.

    ``began`` is called with each case whose path is about to be cut, in a thread of the case's own. When the
    context is left early, everything ends, and is removed before this returns.
    """
    stop, setting_up = threading.Event(), threading.Semaphore(_SETTING_UP)

    def attempt(case: Case) -> Outcome:
        try:
            return Attempt(case, drill.watch, drill.sysctls, stop).run(setting_up, began)
        except (OSError, PjkaError) as error:
            return Outcome(case, problem=str(error))

    with ThreadPoolExecutor(_AT_ONCE, "drill") as pool, ExitStack() as ending:
        ending.callback(pool.shutdown, wait=False, cancel_futures=True)
        ending.callback(stop.set)
        yield _outcomes([pool.submit(attempt, case) for case in drill.cases])


def _outcomes(futures: Sequence[Future[Outcome]]) -> Iterator[Outcome]:
    for future in as_completed(futures):
        yield future.result()


def _sysctls(scale: float) -> dict[str, int]:
    """This machine's own timers, which a new network namespace does not get, with every time shortened."""
    found = {
        "tcp_keepalive_time": shorter(_sysctl("tcp_keepalive_time"), scale),
        "tcp_keepalive_intvl": shorter(_sysctl("tcp_keepalive_intvl"), scale),
        "tcp_keepalive_probes": _sysctl("tcp_keepalive_probes"),
        "tcp_retries2": _retries(_sysctl("tcp_retries2"), scale),
    }
    if (_SYSCTLS / _RTO_MAX).exists():  # from Linux 6.15 on
        found[_RTO_MAX] = _sysctl(_RTO_MAX)
    return found


def _retries(retries: int, scale: float) -> int:
    """The fewest retransmissions that last for that share of the time."""
    wanted = linux_retransmission(retries) / scale
    return next(fewer for fewer in range(retries + 1) if linux_retransmission(fewer) >= wanted)


def _sysctl(name: str) -> int:
    return int((_SYSCTLS / name).read_text())
