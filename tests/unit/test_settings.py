"""pjka.conf: what it accepts, and where it says that something is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pjka.conf.settings import Ami, Listen, Settings, SettingsError, ami, load, parse

SAMPLE = Path(__file__).parents[2] / "conf" / "pjka.conf"


def settings(text: str, **environment: str) -> Settings:
    return parse(text, "pjka.conf", environment)


def test_the_sample_parses_to_the_defaults() -> None:
    assert load(str(SAMPLE), {}) == Settings()


def test_every_line_that_the_sample_comments_out_parses_too() -> None:
    text = SAMPLE.read_text().replace("listen =\n#", "").replace("user =\n#", "").replace("#secret", "secret")
    assert settings(text, PJKA_AMI_SECRET="s") == Settings(
        metrics=Listen("127.0.0.1", 9749), web=Listen("127.0.0.1", 8749), ami=Ami(user="pjka", secret="s")
    )


def test_an_empty_file_is_all_defaults() -> None:
    assert settings("") == Settings()


def test_every_key() -> None:
    text = """
[control]
socket = /tmp/p.sock
[metrics]
listen = 0.0.0.0:9000
[web]
listen: [::1]:8000
[ami]
host = pbx.example
PORT = 5039
user = manager
secret = s3cret
"""
    assert settings(text) == Settings(
        "/tmp/p.sock",
        Listen("0.0.0.0", 9000),
        Listen("::1", 8000),
        Ami("pbx.example", 5039, "manager", "s3cret"),
    )


@pytest.mark.parametrize("secret", ["plain", "pa$word", "a$$b", "x${HOME}y", "%(x)s", "back\\slash", ""])
def test_an_environment_value_arrives_as_it_is(secret: str) -> None:
    assert settings("[ami]\nsecret = ${THE_SECRET}", THE_SECRET=secret).ami.secret == secret


def test_references_within_a_value_and_a_doubled_dollar() -> None:
    assert settings("[ami]\nsecret = a${X}b$$c${X}", X="1").ami.secret == "a1b$c1"


def test_an_unset_variable_is_named_with_its_line() -> None:
    with pytest.raises(SettingsError, match=r"^pjka\.conf:3: the environment variable NOPE is not set"):
        settings("[ami]\n\nsecret = ${NOPE}")


@pytest.mark.parametrize("value", ["a$b", "$", "${", "${no-name}", "${}"])
def test_a_lone_dollar_sign_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^pjka\.conf:2: a lone dollar sign"):
        settings(f"[ami]\nsecret = {value}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[metrics]\nlisten=\n[amy]\nhost=x",
            r":3: unknown section \[amy\], did you mean ami\?; expected control",
        ),
        ("[zzz]", r":1: unknown section \[zzz\]; expected control, metrics, web, ami"),
        ("[DEFAULT]\nhost=x", r":1: unknown section \[DEFAULT\]"),
        ("[ami]\nhost=x\nusr=y", r":3: unknown key usr in \[ami\], did you mean user\?; expected host"),
        ("[ami]\nhost=x\n\n# c\n[ami]\n", r":5: given twice \(\[ami\]\)"),
        ("[ami]\nhost=x\nHOST=y\n", r":3: given twice \(\[ami\] host\)"),
        ("host=x", r":1: a line before the first \[section\]"),
        ("[ami]\nhost", r":2: no key = value"),
        ("[ami]\nport=0", r":2: '0' is no port \(\[ami\] port\); expected 1 to 65535"),
        ("[ami]\nport=x", r":2: 'x' is no port"),
        ("[ami]\nport=65536", r":2: '65536' is no port"),
        ("[web]\nlisten=8000", r":2: '8000' is no address"),
        ("[web]\nlisten=:8000", r":2: ':8000' is no address"),
        ("[web]\nlisten=::1:8000", r":2: '::1:8000' is no address .*\[IPv6\]:port"),
        ("[web]\nlisten=localhost:", r":2: '' is no port"),
    ],
)
def test_errors_say_where(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=r"^pjka\.conf" + message):
        settings(text)


def test_a_secret_is_in_no_text() -> None:
    assert "hunter2" not in repr(settings("[ami]\nsecret = hunter2"))
    with pytest.raises(SettingsError) as caught:
        settings("[ami]\nsecret hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.conf: cannot be read: .*No such file"):
        load(str(tmp_path / "none.conf"), {})


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pjka.conf"
    path.write_bytes(b"[ami]\nuser=\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(str(path), {})


@given(st.text(alphabet="[]ami \n\t=:$${}host#;X\r\x0b\x85", max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(SettingsError):
        settings(text, X="x")


def test_the_environment_alone_is_enough_for_the_manager_account() -> None:
    environment = {"PJKA_AMI_USER": "pjka", "PJKA_AMI_SECRET": "a$b${c}", "PJKA_AMI_PORT": "5039"}
    found = ami("/nowhere/pjka.conf", environment)
    assert found == Ami("127.0.0.1", 5039, "pjka", "a$b${c}")
    with pytest.raises(SettingsError, match="is no port"):
        ami("/nowhere/pjka.conf", environment | {"PJKA_AMI_PORT": "many"})


def test_without_a_user_in_the_environment_the_file_has_the_account(tmp_path: Path) -> None:
    path = tmp_path / "pjka.conf"
    path.write_text("[ami]\nuser = other\n")
    assert ami(str(path), {"PJKA_AMI_SECRET": "unused"}).user == "other"
