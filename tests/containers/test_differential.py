"""What Asterisk 22 makes of a pjsip.conf is what pjka makes of it, but for the differences that are meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asterisk_farm as farm
import file_variants
import lexer_variants
import object_variants
import pytest
from asterisk_shown import by_asterisk, differences
from object_variants import Variants
from pbx_container import Ami, Pbx, StartPbx

from pjka.conf.dialect import parse, read
from pjka.conf.document import DialectError, EndlessError
from pjka.conf.loader import Configuration, ConfigurationError, load

pytestmark = [pytest.mark.containers, pytest.mark.root, pytest.mark.timeout(300)]

NO_SOCKETS = "[global]\ntype=global\n"  # of the Asterisk in whose container the others run
GENERATED_FILES = 300
GENERATED_OBJECTS = 250
SAMPLE = Path(__file__).parents[2] / "conf" / "pjsip.conf"
KINDS = ("transport", "aor", "auth", "endpoint", "registration")


def pjka_loads(pbx: Pbx, case: farm.Case) -> Configuration:
    """The same file, with the files that it names as the container has them."""
    return load(str(case.directory / "pjsip.conf"), root=Path(f"/proc/{pbx.pid}/root"))


def objects(configuration: Configuration) -> dict[str, Mapping[str, Any]]:
    return {kind: getattr(configuration, f"{kind}s") for kind in KINDS}


def object_differences(pbx: Pbx, made: Variants) -> list[str]:
    """Of every object: loaded by both or by none, and with the same values."""
    questions = tuple(f"pjsip show {kind} {id}" for kind, id in made.objects)
    case = farm.Case("objects", {"pjsip.conf": str(made)}, questions)
    outcome = farm.run(pbx, [case])["objects"]
    ours = objects(pjka_loads(pbx, case))
    found = []
    for kind, id in made.objects:
        answer, thing = outcome.answers[f"pjsip show {kind} {id}"], ours[kind].get(id)
        if bool(by_asterisk(answer)) != (thing is not None):
            who = "Asterisk" if thing is None else "pjka"
            found.append(f"{kind} {id}: only {who} loads it: {made.lines(id)}")
        elif thing is not None:
            found += [f"{kind} {id}: {text}: {made.lines(id)}" for text in differences(thing, answer)]
    return found


def test_asterisk_4_4_every_value_and_combination(start_pbx: StartPbx) -> None:
    made = object_variants.made_by_hand()
    assert len(made.objects) > 500
    assert object_differences(start_pbx("22", NO_SOCKETS), made) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_asterisk_4_4_generated_objects(start_pbx: StartPbx, seed: int) -> None:
    made = object_variants.generated(seed, GENERATED_OBJECTS)
    assert object_differences(start_pbx("22", NO_SOCKETS), made) == []


def lexed_by_asterisk(ami: Ami, name: str) -> list[tuple[str, bool, list[str]]] | None:
    """Sections with their lines, or None if the file is unusable."""
    try:
        response, *lines = ami.lines("GetConfig", Filename=name, Filter="TEMPLATES=include")
    except TimeoutError:
        pytest.fail(f"Asterisk does not come to an end with {name}")
    if response != "Response: Success":
        assert "Config file has invalid format" in lines[-1], (name, response, lines)
        return None
    found: list[tuple[str, bool, list[str]]] = []
    for line in lines:
        key, _, value = line.partition(": ")
        if key.startswith("Category-"):
            found.append((value, False, []))
        elif key.startswith("IsTemplate-"):
            found[-1] = (found[-1][0], True, found[-1][2])
        elif key.startswith("Line-"):
            found[-1][2].append(value)
    return found


def lexed_by_pjka(pbx: Pbx, name: str) -> list[tuple[str, bool, list[str]]] | None:
    """The same of pjka; raises EndlessError."""
    try:
        document = read(f"/etc/asterisk/{name}", root=Path(f"/proc/{pbx.pid}/root"))
    except EndlessError:
        raise
    except DialectError:
        return None
    return [(s.name, s.template, [f"{o.name}={o.value}" for o in s.options]) for s in document.sections]


def lexer_cases() -> Iterator[tuple[str, Mapping[str, str]]]:
    yield from lexer_variants.made_by_hand().items()
    for seed in range(GENERATED_FILES):
        yield f"generated {seed}", {lexer_variants.NAME: lexer_variants.generated(seed)}


def test_asterisk_4_1_every_file_is_read_alike(start_pbx: StartPbx) -> None:
    pbx = start_pbx("22", NO_SOCKETS)
    cases = dict(lexer_cases())
    here = {name: f"case{number}-" for number, name in enumerate(cases)}
    texts = {
        f"../{here[case]}{name}": text.replace("{here}", here[case]).replace("{{", "{").replace("}}", "}")
        for case, files in cases.items()
        for name, text in files.items()
    }
    farm.put(pbx, texts)
    found = []
    with pbx.ami() as ami:
        for case in cases:
            name = here[case] + lexer_variants.NAME
            try:
                ours = lexed_by_pjka(pbx, name)
            except EndlessError:
                # Asterisk would take all memory
                continue
            theirs = lexed_by_asterisk(ami, name)
            if theirs != ours:
                found.append(f"{case}: Asterisk has {theirs}, pjka {ours}: {texts[f'../{name}']!r}")
    assert not found, "\n".join(found)


LISTS = tuple(f"pjsip list {kind}s" for kind in KINDS)
_ROW = re.compile(r"^\s*(?:Transport|Aor|Auth|I?/?OAuth|Endpoint): +(\S+)|^ (\S+)/sips?:", re.MULTILINE)


def listed(answer: str) -> set[str]:
    """The ids in the answer to `pjsip list`, without what follows a slash."""
    ids = {first or second for first, second in _ROW.findall(answer)}
    return {id.split("/")[0] for id in ids if not id.startswith("<")}


def file_differences(pbx: Pbx, case: farm.Case, outcome: farm.Outcome) -> Iterator[str]:
    theirs = {kind: listed(outcome.answers[f"pjsip list {kind}s"]) for kind in KINDS}
    settings = outcome.answers["pjsip show settings"]
    try:
        configuration = pjka_loads(pbx, case)
    except ConfigurationError:
        if any(theirs.values()) or "invalid and cannot be parsed" not in outcome.log:
            yield f"only pjka finds it unusable: {theirs}"
        return
    if "invalid and cannot be parsed" in outcome.log:
        yield "only Asterisk finds it unusable"
    for kind, table in objects(configuration).items():
        if set(table) != theirs[kind]:
            yield f"{kind}: Asterisk has {sorted(theirs[kind])}, pjka {sorted(table)}"
    first, _, second = settings.partition("System Settings")
    for thing, answer in ((configuration.global_, first), (configuration.system, second)):
        yield from (text for text in differences(thing, answer) if not OWN_AGENT.search(text))


OWN_AGENT = re.compile(r"user_agent is 'Asterisk PBX [^']*' for Asterisk and 'None' for pjka")


def test_asterisk_4_3_whole_files_and_single_objects(start_pbx: StartPbx) -> None:
    pbx = start_pbx("22", NO_SOCKETS)
    texts = file_variants.FILES
    cases = {
        name: farm.Case(f"file{number}", {"pjsip.conf": text}, (*LISTS, "pjsip show settings"))
        for number, (name, text) in enumerate(texts.items())
    }
    outcomes = farm.run(pbx, cases.values())
    found = [
        f"{name}: {text}"
        for name, case in cases.items()
        for text in file_differences(pbx, case, outcomes[case.name])
    ]
    assert not found, "\n".join(found)


# The differences that are meant


def test_binary_numbers_depend_on_the_c_library_and_are_refused(start_pbx: StartPbx) -> None:
    made = Variants()
    id = made.transport("tcp_keepalive_idle_time = 0b1")
    [found] = object_differences(start_pbx("22", NO_SOCKETS), made)
    assert found.startswith(f"transport {id}: only Asterisk loads it")


def test_asterisk_2_5_a_rejected_transport_leaves_nothing_to_the_next(start_pbx: StartPbx) -> None:
    pbx = start_pbx("22", NO_SOCKETS)
    text = (
        "[a]\ntype=transport\nbind=127.0.0.1:7001\nlocal_net=10.0.0.0/8\nnothing=1\n"
        "[b]\ntype=transport\nbind=127.0.0.1:7002\n"
    )
    case = farm.Case("leak", {"pjsip.conf": text}, ("pjsip show transport b",))
    outcome = farm.run(pbx, [case])["leak"]
    assert by_asterisk(outcome.answers["pjsip show transport b"])["local_net"] == "10.0.0.0/255.0.0.0"
    assert pjka_loads(pbx, case).transports["b"].local_net == ()


def test_what_asterisk_never_finishes_pjka_refuses() -> None:
    # not tried on Asterisk, which would take all memory
    with pytest.raises(EndlessError):
        parse(b"[a]\nx=1\n[a](+,a)\n", "pjsip.conf")


@pytest.mark.parametrize("version", ["16", "22"])
def test_the_sample_loads_without_an_error(start_pbx: StartPbx, version: str) -> None:
    pbx = start_pbx(version, SAMPLE.read_text())
    ours = load(SAMPLE)
    assert not [finding for finding in ours.findings if finding.severity == "error"]
    for kind, things in objects(ours).items():
        assert listed(pbx.rx(f"pjsip list {kind}s")) == set(things), kind
    about = [line for line in pbx.log().splitlines() if "ERROR" in line and "pjsip.conf" in line]
    assert about == []
