"""Text from the network, made safe to print or log."""

from __future__ import annotations

import codecs

# Looked up now: Python loads it from a file, for which there may be no descriptor left when it is needed.
_ESCAPE = codecs.getencoder("unicode_escape")


def printable(text: str) -> str:
    r"""The text with everything that could steer a terminal, or hide, as ``\x1b`` and the like.

    Control and format characters (bidirectional overrides among them), unassigned ones, lone surrogates and
    separators other than the blank are replaced; a backslash is doubled, so that the result is unambiguous.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return _ESCAPE(character)[0].decode("ascii")
