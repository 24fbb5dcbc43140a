"""Configurations given as text, for the tests of `pjka check`."""

from __future__ import annotations

from textwrap import dedent

from pjka.check import Report, Surroundings, check
from pjka.conf.dialect import parse
from pjka.conf.loader import Configuration, objects_of

PLAIN = Surroundings()

QUIET = "[global]\ntype=global\nkeep_alive_interval=0\n"

TCP = """
[t]
type=transport
protocol=tcp
bind=127.0.0.1:5060
"""

KERNEL = """
[t]
type=transport
protocol=tcp
bind=127.0.0.1:5060
tcp_keepalive_enable=yes
tcp_keepalive_idle_time=30
tcp_keepalive_interval_time=10
tcp_keepalive_probe_count=5
"""

PHONE = """
[p]
type=endpoint
transport=t
aors=p
[p]
type=aor
max_contacts=1
"""


def configuration(text: str) -> Configuration:
    return objects_of(parse(dedent(text).encode(), "f"), path="f")


def report(text: str, surroundings: Surroundings = PLAIN) -> Report:
    return check(configuration(text), surroundings)


def found(text: str, surroundings: Surroundings = PLAIN) -> dict[str, int]:
    """The codes of the findings and their lines."""
    return {finding.code: finding.line for finding in report(text, surroundings).findings}


def line_of(text: str, part: str) -> int:
    """The line that holds ``part``, from 1."""
    return next(number for number, line in enumerate(dedent(text).split("\n"), 1) if part in line)
