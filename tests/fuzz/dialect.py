"""Throw broken configurations at the dialect: it parses them or says what is wrong, soon.

    python tests/fuzz/dialect.py [--inputs N] [--seed N]

Every input is made from its own number, so that a failure can be repeated alone (``--inputs 1 --seed N``).
It is a configuration of one to five files, written from the pieces of the language and then damaged byte by
byte, or of random bytes. What parses must print and parse again to an equal document. Ends with 1 and the
number of the input at the first failure.
"""

from __future__ import annotations

import argparse
import fnmatch
import random
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from pjka.conf.dialect import DialectError, parse
from pjka.conf.includes import Included

MAX_SECONDS = 10.0
"""More than any single input may take, even on a busy machine."""

NAMES = [
    b"a",
    b"b",
    b"A",
    b"tpl",
    b"x y",
    b"",
    b" a",
    "ü".encode(),
    b"\xff",
    b"n" * 79,
    b"n" * 80,
    b"n" * 81,
    b"a\\;b",
]
KEYS = [
    b"k",
    b"K",
    b"type",
    b"k ",
    b"",
    b"k+",
    b"\\[k",
    b"\\#k",
    b"\\=",
    b"\\",
    b"\\\xc3",
    b"k\xc3",
    b"\t",
    b"k\\;",
    b">",
]
SIGNS = [b"=", b" = ", b"=>", b" => ", b"+=", b" += ", b"+ =", b"+=>", b" =", b"==", b""]
VALUES = [
    b"1",
    b"",
    b" two words ",
    b"sip:x\\;y=1",
    b"v ; comment",
    b"--;",
    b";--",
    b">v",
    b"\\",
    b"\x00",
    b"\xa4",
    b'"q"',
    b",2",
    b"v" * 200,
    b"a.*b",
    "ä".encode(),
    b";-- x --; y",
]
WORDS = [
    b"!",
    b"+",
    b"a",
    b"b",
    b"tpl",
    b"",
    b" a",
    b"+k=1",
    b"+k=v&type=.",
    b"+TEMPLATES=include",
    b"A",
    b"+TEMPLATES=restrict&k=",
    b"+k=[",
    b"+^k$=a{2}",
    b'+k="a&b"',
    b"+[[:alpha:]]=.|x",
    b"+k=a{2}*",
    b"+k",
]
FILES = [b"x.conf", b"y.conf", b"d/1.conf", b"d/2.conf"]
TARGETS = [
    *FILES,
    b"main.conf",
    b"*.conf",
    b"d/*.conf",
    b"{x,y}.conf",
    b"none.conf",
    b"d",
    b'"x.conf"',
    b"<y.conf>",
    b"",
]
DIRECTIVES = [
    b"#include ",
    b"#tryinclude ",
    b"#INCLUDE\t",
    b"#exec ",
    b"#nothing ",
    b"#include\xc3",
    b"#include",
]
COMMENTS = [
    b";",
    b"; x",
    b";--",
    b"--;",
    b";---",
    b";-- x --;",
    b"--; k=1",
    b";--;-- --;",
    b";--" * 60,
    b"\\;--",
]
ENDS = [b"\n"] * 12 + [b"\r\n", b"\n\n", b"", b" \n", b"\n\x00"]
JOINTS = [
    b";",
    b"\\",
    b"--",
    b"[",
    b"]",
    b"(",
    b")",
    b"=",
    b"+",
    b"\n",
    b"\x00",
    b"\xff",
    b" ",
    b"#",
    b",",
    b">",
    b"!",
]


def line(chance: random.Random) -> bytes:
    """One line in one of the forms that the language has, well-formed or nearly so."""
    form = chance.random()
    if form < 0.3:
        return header(chance)
    if form < 0.75:
        return chance.choice(KEYS) + chance.choice(SIGNS) + chance.choice(VALUES)
    if form < 0.85:
        return chance.choice(DIRECTIVES) + chance.choice(TARGETS)
    if form < 0.95:
        return chance.choice(COMMENTS)
    long = chance.choice([b"v", b"; ", b" ", b"\\;"]) * chance.choice([2000, 4095, 8190])
    return b"k" + chance.choice(SIGNS) + long


def header(chance: random.Random) -> bytes:
    """The header of a section."""
    name = b"[" + chance.choice(NAMES) + b"]"
    if chance.random() < 0.4:
        return name
    words = b",".join(chance.choices(WORDS, k=chance.choice([1, 1, 1, 2, 3])))
    start, end = chance.choice([b"("] * 4 + [b" ("]), chance.choice([b")"] * 3 + [b") x", b""])
    return name + start + words + end


def damaged(chance: random.Random, text: bytes) -> bytes:
    """The text with a few places deleted, doubled, replaced or torn apart."""
    for _ in range(chance.choice([0, 0, 1, 1, 2, 5])):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 1, 1, 2, 8, 50]))
        inserted = chance.choice([b"", text[start:end] * 2, chance.choice(JOINTS), chance.randbytes(2)])
        text = text[:start] + inserted + text[end:]
    return text


def configuration(number: int) -> dict[bytes, bytes]:
    """The files of one input by name; ``main.conf`` is read first."""
    chance = random.Random(number)
    files = [b"main.conf", *chance.sample(FILES, chance.choice([0, 0, 1, 2, 4]))]
    return {name: file(chance, first=b"[a]\n" if name == b"main.conf" else b"") for name in files}


def file(chance: random.Random, first: bytes) -> bytes:
    """One file; most begin with a section, or every other input would fail at its first line."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.choice([1, 30, 500, 9000]))
    start = chance.choice([first, first, first, b"\xef\xbb\xbf" + first, b""])
    count = chance.choice([0, 1, 3, 8, 20])
    return damaged(chance, start + b"".join(line(chance) + chance.choice(ENDS) for _ in range(count)))


def attempt(files: dict[bytes, bytes]) -> bool:
    """Whether the configuration parses; anything but the documented error goes through."""

    def opened(name: str) -> Iterator[Included]:
        for known in sorted(path.decode() for path in files):
            if fnmatch.fnmatchcase(known, name):
                yield Included(known, files[known.encode()])

    try:
        document = parse(files[b"main.conf"], "main.conf", opener=opened)
    except DialectError as error:
        if error.file is None or error.line is None:
            raise AssertionError("an error without its place") from error
        return False
    if parse(bytes(document), "again.conf") != document:
        raise AssertionError("printed and parsed again, it is another document")
    return True


def main() -> int:
    """Run the inputs; the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--inputs", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=0, help="number of the first input")
    options = arguments.parse_args()
    parsed, slowest, begin = 0, (0.0, 0), time.perf_counter()
    for number in range(options.seed, options.seed + options.inputs):
        start = time.perf_counter()
        try:
            parsed += attempt(configuration(number))
        except Exception:
            traceback.print_exc()
            print(f"input {number} failed: {Path(__file__).name} --inputs 1 --seed {number}")
            return 1
        slowest = max(slowest, (time.perf_counter() - start, number))
    seconds = time.perf_counter() - begin
    print(f"{options.inputs} inputs in {seconds:.0f} s, no other exception than DialectError")
    print(f"{parsed} parsed and printed back, {options.inputs - parsed} rejected with file and line")
    print(f"the slowest took {slowest[0] * 1000:.0f} ms, input {slowest[1]}")
    return int(slowest[0] > MAX_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
