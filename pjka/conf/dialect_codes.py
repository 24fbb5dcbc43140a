"""Every kind of finding that reading the lines of a configuration file can give rise to, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pjka.conf.codes import Code
from pjka.conf.findings import Severity

_SKIPS: Final = "Logs a warning and skips the line."


def _error(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.ERROR, summary, asterisk, advice)


def _warning(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.WARNING, summary, asterisk, advice)


def _notice(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.NOTICE, summary, asterisk, advice)


DIALECT_CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        # lines
        "line-too-long": _warning(
            "a line does not fit into Asterisk's buffer",
            _SKIPS,
            "Split the value over several lines with +=.",
        ),
        "nul-byte": _warning(
            "a line holds a NUL byte", "Ignores the rest of the line without a word.", "Remove the byte."
        ),
        "no-equal-sign": _warning(
            "a line has no equal sign", _SKIPS, "Write name = value, or remove the line."
        ),
        "no-option-name": _warning("nothing stands before the equal sign", _SKIPS, "Name the option."),
        "block-comment-unterminated": _warning(
            "a block comment ;-- never ends",
            "Logs a warning and ignores everything from there to the end of the file.",
            "End the comment with --; or begin its lines with a single semicolon.",
        ),
        "block-comment-unopened": _error(
            "a block comment ends with --; that never began",
            "Ignores every following line, without a word, until as many ;-- have come.",
            "Remove the --; or write it as --\\;.",
        ),
        # sections
        "section-name-cut": _warning(
            "a section has a name of more than 79 bytes",
            "Cuts the name off, and finds the section neither for (+) nor as a template under the full name.",
            "Use a shorter name.",
        ),
        "header-text-ignored": _warning(
            "something stands behind the header of a section",
            "Ignores it without a word; a parenthesis counts only directly behind the bracket.",
            "Put the parenthesis directly behind the bracket, and other text on a line of its own.",
        ),
        # directives
        "unknown-directive": _warning(
            "a line begins with # and is no known directive",
            _SKIPS,
            "Begin comments with a semicolon; the directives are #include, #tryinclude and #exec.",
        ),
        "directive-without-argument": _warning("a directive names no file", _SKIPS, "Name the file."),
        "exec-not-run": _warning(
            "#exec is never run here",
            "Runs the program and reads its output if asterisk.conf has execincludes=yes; else skips it.",
            "Write what the program prints into a file and include that, so that all readers see the same.",
        ),
        # included files
        "tryinclude-missing": _notice(
            "#tryinclude names no readable file",
            "Goes on without a word.",
            "Nothing, if the file is optional; else use #include.",
        ),
        "include-skipped": _warning(
            "an included file is not read",
            "Ignores everything but regular files that it may read.",
            "Remove the file or let the pattern not match it, or give the right to read it.",
        ),
        "include-invalid": _error(
            "an included file is invalid",
            "Keeps the lines before the error, drops the rest and any further files of the same #include, "
            "and goes on with the including file as if nothing had happened.",
            "Correct the line.",
        ),
        "include-path-cut": _warning(
            "the path of an included file has more than 255 bytes",
            "Cuts the path off and looks for a file of that name.",
            "Use a shorter path.",
        ),
        "included-twice": _notice(
            "a file is included more than once",
            "Logs a warning and reads it again.",
            "Include it once, unless that is meant.",
        ),
        "findings-omitted": _notice(
            "there is more to say about the lines of this configuration than is kept",
            "Does not stop after any number of such lines.",
            "Correct what has been found, and look again.",
        ),
    }
)
