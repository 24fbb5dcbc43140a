"""``pjka.conf``: the settings of pjka itself, as opposed to those of the PBX.

The file is read with extended-configparser, whose grammar is that of the standard library's configparser.
``${NAME}`` in a value stands for the environment variable, ``$$`` for a dollar sign. That is done here: the
package's own ``EnvInterpolation`` expands what a variable contains once more, so that a secret with a dollar
sign in it comes out changed or is refused, with the secret in the message.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NamedTuple

from extended_configparser.parser import ExtendedConfigParser

from pjka.errors import PjkaError

DEFAULT_PATH: Final = "/etc/pjka/pjka.conf"

_REFERENCE: Final = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\})?")


class SettingsError(PjkaError):
    """``pjka.conf`` cannot be used; carries the file and, where there is one, the line."""


class Listen(NamedTuple):
    """Where to listen."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Ami:
    """The PBX's manager interface: TCP ``host`` and ``port``, and the account; no ``user``, no connection."""

    host: str = "127.0.0.1"
    port: int = 5038
    user: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``pjka.conf`` says; the defaults are those of an empty one.

    ``metrics`` and ``web`` are where Prometheus metrics and the status page are served, None for nowhere.
    """

    control_socket: str = "/run/pjka/control.sock"
    metrics: Listen | None = None
    web: Listen | None = None
    ami: Ami = Ami()


class _Value(NamedTuple):
    """A value as it is in the file, before ``${}``, and where."""

    text: str
    section: str
    key: str
    file: str
    line: int

    def error(self, message: str, expected: str | None = None) -> SettingsError:
        return SettingsError(
            message, file=self.file, line=self.line, option=f"[{self.section}] {self.key}", expected=expected
        )


_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "control": ("socket",),
    "metrics": ("listen",),
    "web": ("listen",),
    "ami": ("host", "port", "user", "secret"),
}


def load(path: str, environment: Mapping[str, str]) -> Settings:
    """Read ``path``; raises :class:`SettingsError` if that cannot be done or something in it is wrong."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"cannot be read: {error}", file=path) from error
    return parse(text, path, environment)


def ami(path: str, environment: Mapping[str, str]) -> Ami:
    """The account for the manager interface: of the environment where it names a user, else of ``path``.

    ``PJKA_AMI_USER``, ``PJKA_AMI_SECRET``, ``PJKA_AMI_HOST`` and ``PJKA_AMI_PORT``; then no file is needed.
    Raises :class:`SettingsError`.
    """
    if not environment.get("PJKA_AMI_USER"):
        return load(path, environment).ami
    lines = [
        f"{key} = ${{{name}}}" for key in _KEYS["ami"] if (name := f"PJKA_AMI_{key.upper()}") in environment
    ]
    return parse("\n".join(["[ami]", *lines]), "environment", environment).ami


def parse(text: str, file: str, environment: Mapping[str, str]) -> Settings:
    """The settings in ``text``; ``environment`` is where ``${NAME}`` is looked up, ``file`` for messages."""
    values = {(value.section, value.key): value for value in _values(text, file)}
    plain = {key: (value, _expanded(value, environment)) for key, value in values.items()}
    defaults = Settings()
    return Settings(
        control_socket=_text(plain.get(("control", "socket")), defaults.control_socket),
        metrics=_listen(plain.get(("metrics", "listen"))),
        web=_listen(plain.get(("web", "listen"))),
        ami=Ami(
            host=_text(plain.get(("ami", "host")), defaults.ami.host),
            port=_port(plain.get(("ami", "port")), defaults.ami.port),
            user=_text(plain.get(("ami", "user")), ""),
            secret=_text(plain.get(("ami", "secret")), ""),
        ),
    )


_Plain = tuple[_Value, str]


def _text(value: _Plain | None, default: str) -> str:
    return value[1] if value is not None else default


def _port(value: _Plain | None, default: int) -> int:
    if value is None:
        return default
    if not (value[1].isascii() and value[1].isdigit() and 0 < int(value[1]) < 65536):
        raise value[0].error(f"{value[1]!r} is no port", "1 to 65535")
    return int(value[1])


def _listen(value: _Plain | None) -> Listen | None:
    if value is None or not value[1]:
        return None
    host, colon, port = value[1].rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (colon and bare) or (":" in bare and bare == host):
        raise value[0].error(f"{value[1]!r} is no address to listen on", "host:port or [IPv6]:port")
    return Listen(bare, _port((value[0], port), 0))


def _expanded(value: _Value, environment: Mapping[str, str]) -> str:
    def resolve(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match[1] is None:
            raise value.error(
                "a lone dollar sign", "$$ for a dollar sign, ${NAME} for an environment variable"
            )
        if match[1] not in environment:
            raise value.error(f"the environment variable {match[1]} is not set")
        return environment[match[1]]

    return _REFERENCE.sub(resolve, value.text)


def _values(text: str, file: str) -> Iterator[_Value]:
    parser = _parser(text, file)
    lines = _lines(text)
    for section in parser.sections():
        if section not in _KEYS:
            line = lines.get((section, ""))
            raise _unknown(f"unknown section [{section}]", section, list(_KEYS), file, line)
        for key in parser[section]:
            line = lines.get((section, key), lines.get((section, ""), 1))
            if key not in _KEYS[section]:
                raise _unknown(f"unknown key {key} in [{section}]", key, list(_KEYS[section]), file, line)
            yield _Value(parser[section][key], section, key, file, line)


def _parser(text: str, file: str) -> configparser.ConfigParser:
    # no section takes the part of [DEFAULT]: it would be one more name to know
    parser: configparser.ConfigParser = ExtendedConfigParser(interpolation=None, default_section="")
    try:
        parser.read_file(io.StringIO(text), file)
    except configparser.MissingSectionHeaderError as error:
        raise SettingsError("a line before the first [section]", file=file, line=error.lineno) from error
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        raise SettingsError("given twice", file=file, line=error.lineno, option=_name_of(error)) from error
    except configparser.ParsingError as error:
        # the text of the line is left out: it may be a secret
        raise SettingsError("no key = value", file=file, line=error.errors[0][0]) from error
    return parser


def _name_of(error: configparser.DuplicateSectionError | configparser.DuplicateOptionError) -> str:
    option = getattr(error, "option", "")
    return f"[{error.section}] {option}".rstrip()


def _unknown(message: str, name: str, known: list[str], file: str, line: int | None) -> SettingsError:
    close = get_close_matches(name, known, n=1)
    if close:
        message += f", did you mean {close[0]}?"
    return SettingsError(message, file=file, line=line, expected=", ".join(known))


def _lines(text: str) -> dict[tuple[str, str], int]:
    """The lines of sections (with an empty key) and keys, which the parser does not keep."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := configparser.RawConfigParser.SECTCRE.match(line):
            section = header["header"]
            found.setdefault((section, ""), number)
        elif option := configparser.RawConfigParser.OPTCRE.match(line.strip()):
            found.setdefault((section, option["option"].strip().lower()), number)
    return found
