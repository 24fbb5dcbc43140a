"""Configuration files, hand-made and generated, for every row of the lexer's rules; files by name."""

from __future__ import annotations

import random

NAME = "main.conf"
"""The file that is read; the others are included. In the text, {here} is what their names begin with."""

_LONG = "v" * 8186


def made_by_hand() -> dict[str, dict[str, str]]:
    """Cases by the name of their rule."""
    cases = {name: {NAME: text} for name, text in _SINGLE.items()}
    return {**cases, **{name: {NAME: main, **more} for name, (main, more) in _INCLUDING.items()}}


def generated(seed: int) -> str:
    """A file of pieces of the language, in any order."""
    chance = random.Random(seed)
    lines = ["[first]", "base = 1"]
    for _ in range(chance.randint(1, 14)):
        lines.append(chance.choice([_header, _assignment, _assignment, _assignment, _comment])(chance))
    return "".join(f"{line}\n" for line in lines)


def _header(chance: random.Random) -> str:
    name = chance.choice(["a", "b", "A", "first", "tpl", " a", "x y", "", "ü"])
    words = chance.choice(
        [
            *[
                "",
                "",
                "",
                "(!)",
                "(first)",
                "(a)",
                "(tpl)",
                "(+)",
                "(!,first)",
                "(first,a)",
                "(a, first)",
                "()",
            ],
            *[
                "(+base=1)",
                "(+base=2)",
                "(+TEMPLATES=include)",
                "(+TEMPLATES=restrict)",
                "(+k=v&base=1)",
                " (first)",
            ],
            *["(first", "(!)x", "(!,+)", "(FIRST)", "(+k=^v)", "(+k=.)"],
        ]
    )
    return f"[{name}]{words}" if chance.random() < 0.97 else f"[{name}"


def _assignment(chance: random.Random) -> str:
    name = chance.choice(["k", "K", "base", "k ", "list", "", "\\[k", "\\#k", "k\\;k", "type", "\\k", "k+"])
    sign = chance.choice(
        ["=", " = ", "=>", " => ", "+=", " += ", "==", "= >", " =", "+ =", "+=>", "", "\t=\t"]
    )
    value = chance.choice(
        [
            "v",
            "v w",
            "",
            '"q"',
            "a;b",
            "a\\;b",
            "\\",
            "=v",
            "> v",
            "[v]",
            "#v",
            "ü",
            ",2",
            "v;-- x --;w",
            "${k}",
            "%41",
            "--;",
        ]
    )
    return (
        f"{chance.choice(['', '', '  ', chr(9)])}{name}{sign}{value}{chance.choice(['', '', ' ', chr(13)])}"
    )


def _comment(chance: random.Random) -> str:
    return chance.choice(
        [
            *[
                "",
                ";",
                "; x",
                ";; x",
                ";-- x --;",
                ";-- x --; k = 1",
                ";--",
                "--;",
                "--; k = 1",
                ";---",
                ";--- x",
            ],
            *[
                "#nothing x",
                "#include",
                "# comment",
                ";--;",
                ";----;",
                ";-- ;-- x --;",
                "  ",
                "\\;x = 1",
                "k = 1 ;--",
                "x",
            ],
        ]
    )


_A = "[a]\n"
_SINGLE = {
    "empty": "",
    "only comments": "; x\n\n;-- y --;\n",
    "section without options": "[a]\n[b]\n",
    "assignments": _A + "x=1\ny => 2\nz =3\nw= 4\n  v  =  5  \n",
    "only the first equal sign splits": _A + "x=a=b=>c\n",
    "arrow needs both": _A + "x= >1\ny=>>1\nz==>1\n",
    "empty value": _A + "x=\ny= \nz=>\n",
    "empty name": _A + "=1\n =1\n=>1\nx=2\n",
    "no equal sign": _A + "x\ny=1\n",
    "quotes stay": _A + "x=\"q\"\ny='q'\n",
    "no substitution": _A + "x=${HOME}\ny=$HOME\nz=%HOME%\n",
    "no continuation": _A + "x=1\\\ny=2\n",
    "comment": _A + "x=1;2\ny=1 ; 2\n;z=1\n ;w=1\nv=;\n",
    "escaped semicolon": _A + "x=sip:a\\;b=1\ny=\\;\nz=a\\\\;b\nw=\\;--x--\\;\n",
    "hash is no comment": _A + "x=1 # y\n",
    "escape first": _A + "\\[k]=3\n\\#h=4\n\\=5\n\\x=6\n",
    "escape of nothing": _A + "x=1\n\\\ny=2\n",
    "escape of a blank": _A + "x=1\n\\ y=2\n",
    "byte order mark": "\ufeff[a]\nx=1\n",
    "byte order mark later": "[a]\n\ufeffx=1\n",
    "carriage returns": "[a]\r\nx=1\r\n[b]\r\n",
    "control characters around": "[a]\n\x01\x1fx=1\x02\n\vy\x03=\x042\f\n",
    "tabs": "\t[a]\t\n\tx\t=\t1\t\n",
    "no last line feed": "[a]\nx=1",
    "case of names stays": "[Aa]\nXx=Yy\n",
    "utf-8": "[ä]\nö=ü\n",
    "not utf-8": "[a]\nx=\udcff\udcfe\n",
    "equal names stay": "[a]\nx=1\nx=2\nX=3\n",
    "equal sections stay": "[a]\nx=1\n[a]\ny=2\n[A]\nz=3\n",
    "block comment": _A + ";-- x=1\ny=2\n--;\nz=3\n",
    "block comment on one line": _A + ";-- x=1 --; y=2\nz=3 ;-- w --; 4\n",
    "block comment nested": _A + ";-- ;-- x --; y=1 --; z=2\n",
    "block comment not with three": _A + ";--- x\ny=1\n;---- x\nz=2\n",
    "block comment of nothing": _A + ";----;x=1\n;--;y=2\n--;\nz=3\n",
    "block comment unterminated": _A + "x=1\n;--\ny=2\n",
    "block comment ends without start": _A + "--;\nx=1 --; y=2\n",
    "block comment end in value": _A + "x=--;y\nz=1\n",
    "block comment around a section": _A + ";--\n[b]\n--;\nx=1\n",
    "block comment after a value": _A + "x=1;-- y\nz=2 --;w=3\n",
    "block comments deep": _A + ";--" * 127 + "x" + "--;" * 127 + "\ny=1\n",
    "block comments too deep": _A + "\n".join([";--"] * 130) + "\nx=1\n" + "--;\n" * 130 + "y=2\n",
    "line long enough": _A + f"x={_LONG}\ny=1\n",
    "line of the limit": _A + f"x={_LONG}vv\ny=1\n",
    "line too long": _A + f"x={_LONG}vvv\ny=1\n",
    "line far too long": _A + f"x={_LONG * 3}\ny=1\n",
    "long comment": _A + f";{_LONG}{_LONG}\ny=1\n",
    "long name of a section": f"[{'n' * 78}]\nx=1\n[{'m' * 79}]\n[{'o' * 80}]\ny=1\n[{'p' * 200}](!)\n",
    "missing bracket": "[a\nx=1\n",
    "missing parenthesis": "[a](!\nx=1\n",
    "later missing bracket": "[a]\nx=1\n[b\n",
    "bracket of another": "[a)\n",
    "variable before any section": "x=1\n[a]\n",
    "junk before any section": "junk\n[a]\nx=1\n",
    "junk after a header": "[a] junk\nx=1\n[b]junk\ny=1\n[c](!)junk\n",
    "blank before options": "[t](!)\nx=1\n[a] (t)\n[b]\t(!)\n",
    "blanks in a name": "[ a ]\nx=1\n[b c]\n",
    "empty name of a section": "[]\nx=1\n[](!)\n",
    "bracket in a name": "[a[b]]\nx=1\n",
    "semicolon in a name": "[a;b]\nx=1\n",
    "escaped semicolon in a name": "[a\\;b]\nx=1\n",
    "template": "[t](!)\nx=1\n[a](t)\ny=2\n",
    "inherit from a section": "[t]\nx=1\n[a](t)\n",
    "inherit from several": "[t](!)\nx=1\n[u](!)\nx=2\ny=1\n[a](t,u)\nx=3\n[b](u,t)\n",
    "inherit twice": "[t](!)\nx=1\n[a](t,t)\n",
    "inherit a chain": "[t](!)\nx=1\n[u](!,t)\ny=1\n[a](u)\n",
    "inherit in another case": "[Tpl](!)\nx=1\n[a](tPL)\n",
    "inherit with a blank": "[t](!)\n[u](!)\n[a](t, u)\n",
    "inherit from nothing": "[a](none)\nx=1\n",
    "inherit from a later one": "[a](t)\n[t](!)\nx=1\n",
    "inherit what comes later": "[t](!)\nx=1\n[a](t)\n[t](+)\ny=1\n[b](t)\n",
    "inherit from the first of two": "[t](!)\nx=1\n[t](!)\nx=2\n[a](t)\n",
    "inherit by empty options": "[f]\nx=1\n[a]()\n[b](,)\n",
    "template by exclamation anywhere": "[t]\nx=1\n[a](t,!)\ny=1\n",
    "exclamation with a blank": "[a]( !)\nx=1\n",
    "inherit itself": "[a](a)\nx=1\n",
    "continue": "[a]\nx=1\n[b]\n[a](+)\ny=2\n",
    "continue a template": "[a](!)\nx=1\n[a](+)\ny=2\n",
    "continue nothing": "[a](+)\nx=1\n",
    "continue the section and not the template": "[a](!)\nx=1\n[a]\ny=1\n[a](+)\nz=1\n",
    "continue in another case": "[a]\nx=1\n[A](+)\ny=1\n",
    "continue and inherit": "[t](!)\nx=1\n[a]\ny=1\n[a](+,t)\nz=1\n",
    "continue into a template": "[a]\nx=1\n[a](+,!)\ny=1\n",
    "continue by filter": "[a]\nk=1\n[a]\nk=2\n[a](+k=2)\nx=1\n",
    "continue by two filters": "[a]\nk=1\nl=1\n[a]\nk=1\nl=2\n[a](+k=1&l=2)\nx=1\n",
    "continue by expression": "[a]\nk=one\n[a]\nk=two\n[a](+k=^t.o$)\nx=1\n",
    "continue by filter nothing": "[a]\nk=1\n[a](+k=2)\nx=1\n",
    "continue templates too": "[a](!)\nk=1\n[a](+TEMPLATES=include)\nx=1\n",
    "continue only templates": "[a]\nk=1\n[a](!)\nk=2\n[a](+TEMPLATES=restrict)\nx=1\n",
    "append": _A + "x=1\nx+=2\nx += 3\n",
    "append with a blank": _A + "x = 1\nx += ,2\n",
    "append to nothing": _A + "x += 1\n",
    "append to the last": _A + "x=1\nx=2\nx+=3\n",
    "append in another case": _A + "x=1\nX+=2\n",
    "append with an arrow": _A + "x=1\nx+=>2\n",
    "append to what is inherited": "[t](!)\nx=1\n[a](t)\nx+=2\n[b](t)\n",
    "append nothing": _A + "x=1\nx+=\nx +=  \n",
    "append a space before the sign": _A + "x=1\nx + = 2\n",
    "inherited and set again": "[t](!)\nx=1\n[a](t)\nx=2\n",
    "directive unknown": _A + "#nothing\n#nothing x\nx=1\n",
    "directive without argument": _A + "#include\nx=1\n",
    "directive with blanks": _A + "  #tryinclude none.conf\nx=1\n",
    "directive alone": _A + "#\nx=1\n",
    "exec disabled": _A + "#exec /bin/true\nx=1\n",
    "include nothing": _A + "#include {here}none.conf\nx=1\n",
    "include nothing by pattern": _A + "#include {here}none*.conf\nx=1\n",
    "tryinclude nothing": _A + "#tryinclude {here}none.conf\nx=1\n",
    "include itself": _A + "x=1\n#include {here}main.conf\ny=1\n",
    "directive in a block comment": _A + ";--\n#include none.conf\n--;\nx=1\n",
    "NUL": "[a]\nx=1\x00y=2\nz=3\n",
}
_X = {"x.conf": "i=1\n"}
_INCLUDING = {
    "include": (_A + "#include {here}x.conf\nx=1\n", _X),
    "include in quotes": (_A + '#include "{here}x.conf"\n#include <{here}x.conf>\n', _X),
    "include in any case": (_A + "#INCLUDE {here}x.conf\n#TryInclude {here}x.conf\n", _X),
    "include with a comment": (_A + "#include {here}x.conf ; x\n", _X),
    "include with an equal sign": (_A + "#include={here}x.conf\nx=1\n", _X),
    "include with a tab": (_A + "#include\t{here}x.conf\nx=1\n", _X),
    "include an absolute path": (_A + "#include /etc/asterisk/{here}x.conf\n", _X),
    "include by pattern, sorted": (
        _A + "#include {here}p*.conf\n",
        {"p2.conf": "i=2\n", "p1.conf": "i=1\n", "p10.conf": "i=10\n"},
    ),
    "include by braces": (
        _A + "#include {here}{{p2,p1}}.conf\n",
        {"p2.conf": "i=2\n", "p1.conf": "i=1\n"},
    ),
    "include by class": (_A + "#include {here}p[1-2].conf\n", {"p2.conf": "i=2\n", "p3.conf": "i=3\n"}),
    "included sections": (
        _A + "x=1\n#include {here}x.conf\ny=1\n",
        {"x.conf": "i=1\n[b]\nj=1\n"},
    ),
    "included template": ("#include {here}x.conf\n[a](t)\ny=1\n", {"x.conf": "[t](!)\nx=1\n"}),
    "included, invalid": (_A + "x=1\n#include {here}x.conf\ny=1\n", {"x.conf": "i=1\n[b\nj=1\n"}),
    "included, invalid at once": ("#include {here}x.conf\n[a]\ny=1\n", {"x.conf": "i=1\n"}),
    "included, missing base": (_A + "#include {here}x.conf\ny=1\n", {"x.conf": "i=1\n[b](none)\nj=1\n"}),
    "included, missing include": (
        _A + "#include {here}x.conf\ny=1\n",
        {"x.conf": "i=1\n#include none.conf\nj=1\n"},
    ),
    "included, empty": (_A + "#include {here}x.conf\ny=1\n", {"x.conf": ""}),
    "included, block comment": (_A + "#include {here}x.conf\ny=1\n", {"x.conf": "i=1\n;--\nj=1\n"}),
    "included, block comment into the next": (
        _A + "#include {here}p*.conf\ny=1\n",
        {"p1.conf": "i=1\n;--\nj=1\n", "p2.conf": "k=1\n--;\nl=1\n"},
    ),
    "included after a continuation": ("[a]\nx=1\n[b]\n[a](+)\n#include {here}x.conf\ny=1\n", _X),
    "included by the included": (
        _A + "#include {here}x.conf\n",
        {"x.conf": "i=1\n#include {here}y.conf\nj=1\n", "y.conf": "k=1\n"},
    ),
    "included twice": (_A + "#include {here}x.conf\n#include {here}x.conf\n", _X),
    "included ten deep": (
        _A + "#include {here}d1.conf\n",
        {f"d{n}.conf": f"d={n}\n#include {{here}}d{n + 1}.conf\n" for n in range(1, 9)}
        | {"d9.conf": "d=9\n"},
    ),
    "included too deep": (
        _A + "#include {here}d1.conf\nx=1\n",
        {f"d{n}.conf": f"d={n}\n#include {{here}}d{n + 1}.conf\n" for n in range(1, 12)}
        | {"d12.conf": "d=12\n"},
    ),
}
