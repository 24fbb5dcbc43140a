"""A configuration with every defect, over two levels of includes: each is told once, at its own line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pjka.check import Surroundings, check, parse_version
from pjka.check.codes import CODES
from pjka.conf.loader import load

DEFECTS = Path(__file__).parent / "data" / "defects"
SAMPLE = Path(__file__).parents[2] / "conf" / "pjsip.conf"


def expected(directory: Path) -> list[tuple[str, int, str]]:
    """File, line and code of every mark ``; expect: code code``."""
    marks = []
    for path in directory.rglob("*.conf"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := re.search(r"; expect: (.*)", line):
                marks += [(str(path), number, code) for code in match[1].split()]
    return sorted(marks)


def test_a_finding_for_each_defect_at_its_line_and_no_other() -> None:
    findings = check(load(DEFECTS / "pjsip.conf")).findings
    assert sorted((finding.file, finding.line, finding.code) for finding in findings) == expected(DEFECTS)


def test_the_defects_are_of_every_kind_that_one_file_can_have() -> None:
    elsewhere = {code for code in CODES if code.startswith(("version-", "pjproject-"))}
    # nothing at all keeps a connection alive only where there is no CRLF to compete
    assert set(CODES) - elsewhere - {"nothing-keeps-alive"} <= {code for _, _, code in expected(DEFECTS)}


def test_a_defect_of_a_template_is_told_once() -> None:
    findings = check(load(DEFECTS / "pjsip.conf")).findings
    (finding,) = (finding for finding in findings if finding.code == "qualify-timeout-above-transaction")
    assert finding.message.startswith("aor 6001 (and 1 more): ")


def test_findings_are_in_the_order_of_reading() -> None:
    report = check(load(DEFECTS / "pjsip.conf"))
    places = [(report.files.index(finding.file), finding.line) for finding in report.findings]
    assert places == sorted(places)
    assert [Path(file).name for file in report.files] == [
        "pjsip.conf",
        "transports.conf",
        "templates.conf",
        "phones.conf",
    ]


@pytest.mark.parametrize("version", [None, "16.28", "18.23", "20.10", "22.10", "23.5"])
def test_nothing_is_found_in_the_sample(version: str | None) -> None:
    report = check(load(SAMPLE), Surroundings(version=parse_version(version) if version else None))
    assert report.findings == ()


def test_every_transport_of_the_sample_has_a_detection_time() -> None:
    for transport in check(load(SAMPLE)).transports:
        assert transport.detection.idle is not None
        assert transport.detection.idle <= 80
