"""Many short-lived Asterisks in one container, each with a directory, a pjsip.conf and a log of its own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pbx_container import Pbx

HOME = PurePosixPath("/etc/asterisk/cases")
_MODULES = """
    bridge_simple chan_pjsip res_crypto res_geolocation res_http_websocket res_pjproject res_pjsip
    res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest res_pjsip_outbound_registration
    res_pjsip_pubsub res_pjsip_session res_rtp_asterisk res_sorcery_astdb res_sorcery_config
    res_sorcery_memory res_statsd res_timing_timerfd
"""
_RUN = """
dir=$1
asterisk -f -C $dir/asterisk.conf >/dev/null 2>&1 &
pid=$!
ask() { timeout 20 asterisk -C $dir/asterisk.conf -rx "$1" 2>/dev/null; }
for try in $(seq 150); do
    ask 'core waitfullybooted' | grep -q 'fully booted' && break
    kill -0 $pid || exit 1
    sleep 0.1
done
while read -r command; do
    echo "=== $command"
    ask "$command"
done <$dir/commands >$dir/answers
kill -9 $pid
"""


@dataclass(frozen=True)
class Case:
    """One start of Asterisk: its files by name, of which there must be a pjsip.conf, and what to ask it."""

    name: str
    files: Mapping[str, str]
    commands: tuple[str, ...]

    @property
    def directory(self) -> PurePosixPath:
        return HOME / self.name

    def all_files(self) -> dict[str, str]:
        here = self.directory
        own = "etc:. run:run log:log spool:run db:run cache:run"
        directories = "".join(
            f"ast{name}dir => {here / sub}\n" for name, sub in (pair.split(":") for pair in own.split())
        )
        return {
            **self.files,
            "asterisk.conf": f"[directories]\n{directories}[options]\n",
            "logger.conf": "[general]\n[logfiles]\nmessages => notice,warning,error\n",
            "modules.conf": "[modules]\nautoload=no\n"
            + "".join(f"load => {m}.so\n" for m in _MODULES.split()),
            "commands": "".join(f"{command}\n" for command in self.commands),
            "run/.here": "",
            "log/.here": "",
        }


@dataclass(frozen=True)
class Outcome:
    """What one Asterisk answered to each command, and what it logged."""

    answers: Mapping[str, str]
    log: str

    def rejected(self, kind: str, id: str) -> bool:
        """Whether it said that it could not make this object."""
        return f"Could not create an object of type '{kind}' with id '{id}'" in self.log


def put(pbx: Pbx, files: Mapping[str, str]) -> None:
    """Place files, by name below HOME, in the container."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            data = text.encode("utf-8", "surrogateescape")
            entry = tarfile.TarInfo(f"cases/{name}")
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    assert pbx.container.put_archive(str(HOME.parent), buffer.getvalue())


def run(pbx: Pbx, cases: Iterable[Case]) -> dict[str, Outcome]:
    """Start an Asterisk for each case, two at a time, and collect what they say; by the case's name."""
    cases = list(cases)
    put(pbx, {f"{case.name}/{name}": text for case in cases for name, text in case.all_files().items()})
    put(pbx, {"run.sh": _RUN})
    names = " ".join(str(case.directory) for case in cases)
    command = f"printf '%s\\n' {names} | xargs -n 1 -P 2 sh {HOME / 'run.sh'}"
    result = pbx.container.exec_run(["sh", "-c", command])
    assert result.exit_code == 0, result.output
    return {case.name: _outcome(pbx, case) for case in cases}


def seen(pbx: Pbx, path: PurePosixPath) -> Path:
    """A file of the container as this machine sees it."""
    return Path(f"/proc/{pbx.pid}/root") / path.relative_to("/")


def _outcome(pbx: Pbx, case: Case) -> Outcome:
    here = seen(pbx, case.directory)
    answers: dict[str, str] = {}
    for part in (here / "answers").read_text(errors="replace").split("=== ")[1:]:
        command, _, answer = part.partition("\n")
        answers[command] = answer
    return Outcome(answers, "".join(file.read_text(errors="replace") for file in here.glob("log/messages*")))
