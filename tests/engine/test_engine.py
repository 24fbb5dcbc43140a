"""What pjka says of each installed engine, against what that engine's library says and does itself."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pjka.errors import PjkaError
from pjka.pjproject.engine import active_engine
from pjka.pjproject.layouts import layout_of

DISTRIBUTIONS = {"trial": "pjsua2-python", "production": "pjka-engine"}


def required(name: str) -> bool:
    """Whether to test an engine: where it is installed, and everywhere if nothing may be skipped."""
    try:
        importlib.metadata.version(DISTRIBUTIONS[name])
    except importlib.metadata.PackageNotFoundError:
        return bool(os.environ.get("PJKA_REQUIRE_ALL"))
    return True


@pytest.fixture(params=["trial", "production"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine."""
    name: str = request.param
    if not required(name):
        pytest.skip(f"the {name} engine is not installed")
    return name


def python(engine: str, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` in a Python of its own, where an engine may abort, with ``engine`` selected."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PJKA_ENGINE": engine} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def command(engine: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    main = f"import sys; sys.argv[1:] = {['engine', *arguments]!r}; from pjka.cli import main; main()"
    return python(engine, main, **environment)


def report(engine: str) -> dict[str, Any]:
    result = command(engine, "--json")
    assert result.returncode == 0, result.stderr
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


# pjproject writes its configuration to standard output; the descriptor, not sys.stdout.
DUMP = """
import ctypes, sys, pjsua2
library = ctypes.CDLL(sys.modules[pjsua2.Endpoint.__module__]._pjsua2.__file__)
library.pj_dump_config()
"""

START = """
import pjsua2 as pj, socket, struct, sys, time
endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
config.medConfig.threadCnt = 0
config.medConfig.hasIoqueue = False
config.logConfig.level = config.logConfig.consoleLevel = 0
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.boundAddress = "127.0.0.1"
def listen():
    identity = endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)
    return int(endpoint.transportGetInfo(identity).localName.rpartition(":")[2])
def poll(seconds, done):
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        endpoint.libHandleEvents(20)
"""

ACCOUNTS = """
listen()
endpoint.libStart()
accounts = []
for number in range(2000):
    account = pj.AccountConfig()
    account.idUri = f"sip:{number}@127.0.0.1"
    accounts.append(pj.Account())
    try:
        accounts[-1].create(account)
    except pj.Error:
        break
    print(number + 1, flush=True)
endpoint.libDestroy()
"""

OPTIONS = """
wanted = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (6, socket.TCP_KEEPIDLE, 11), (6, socket.TCP_KEEPINTVL, 12),
    (6, socket.TCP_KEEPCNT, 13), (6, socket.TCP_USER_TIMEOUT, 14000), (6, socket.TCP_NODELAY, 1),
    (6, socket.TCP_SYNCNT, 3), (6, socket.TCP_LINGER2, 7),
]
for option in wanted:
    transport.sockOptParams.sockOpts.append(pj.SockOpt())
slots = transport.sockOptParams.sockOpts
for number, (level, name, value) in enumerate(wanted):
    slots[number].level, slots[number].optName = level, name
    slots[number].setOptValInt(value)
port = listen()
import os
for name in os.listdir("/proc/self/fd"):
    try:
        duplicate = socket.socket(fileno=os.dup(int(name)))
        if duplicate.getsockname() == ("127.0.0.1", port):
            break
    except OSError:
        pass
print(sum(duplicate.getsockopt(*option[:2]) == option[2] for option in wanted))
duplicate.close()
endpoint.libDestroy()
"""

STORM = """
import threading
port = listen()
endpoint.libStart()
def connect_and_close():
    for _ in range(2000):
        socket.create_connection(("127.0.0.1", port), 5).close()
storm = threading.Thread(target=connect_and_close, daemon=True)
storm.start()
poll(30, lambda: not storm.is_alive())
print("survived", not storm.is_alive(), flush=True)
endpoint.libDestroy()
"""

MESSAGE = """
port = listen()
endpoint.libStart()
def answered(size):
    head = (
        f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\\r\\n"
        f"Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{size}\\r\\n"
        "From: <sip:a@127.0.0.1>;tag=a\\r\\nTo: <sip:b@127.0.0.1>\\r\\n"
        f"Call-ID: {size}\\r\\nCSeq: 1 OPTIONS\\r\\nMax-Forwards: 70\\r\\nContent-Type: text/plain\\r\\n"
    )
    body = size - len(head) - len("Content-Length: 00000\\r\\n\\r\\n")
    message = (head + f"Content-Length: {body:05}\\r\\n\\r\\n" + "x" * body).encode()
    assert len(message) == size
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setblocking(False)
        def done():
            nonlocal message
            try:
                if message:
                    message = message[peer.send(message):]
                received.extend(peer.recv(4096))
            except BlockingIOError:
                pass
            except ConnectionError:
                return True
            return b"SIP/2.0" in received
        poll(3, done)
    return b"SIP/2.0" in received
print([answered(size) for size in map(int, sys.argv[1].split(","))] if len(sys.argv) > 1 else "")
endpoint.libDestroy()
"""


def test_engine_is_the_one_that_was_asked_for(engine: str) -> None:
    assert report(engine)["name"] == engine


def test_engine_limits_are_the_library_s_own_words(engine: str) -> None:
    words = dict(re.findall(r"(PJ_\w+|ioqueue type)\s*: (.*)", python(engine, DUMP).stdout))
    found = report(engine)
    assert words["PJ_VERSION"] == found["version"]
    assert words["ioqueue type"].partition("[")[0] == found["ioqueue"]
    assert int(words["PJ_IOQUEUE_MAX_HANDLES"]) == found["limits"]["handles"]
    assertions = "assertions" in [defect["code"] for defect in found["defects"]]
    assert assertions == (words["PJ_DEBUG"] == "1")


def test_engine_module_is_mapped_with_the_named_tls_library(engine: str) -> None:
    script = "import pjsua2; pjsua2.Endpoint; print(open('/proc/self/maps').read())"
    found = report(engine)
    mapped = python(engine, script).stdout
    assert found["path"] in mapped
    assert re.search(r"libssl\S*1\.0\.2k" if engine == "trial" else r"libssl\.so\.3", mapped)
    assert found["tls"].startswith("OpenSSL 1.0.2k" if engine == "trial" else "OpenSSL 3.")


def test_engine_holds_exactly_its_accounts(engine: str) -> None:
    result = python(engine, START + ACCOUNTS)
    assert int(result.stdout.split()[-1]) == report(engine)["limits"]["accounts"]
    aborted = result.returncode == -6
    assert aborted == (engine == "trial"), result.stderr


def test_engine_sets_exactly_its_socket_options(engine: str) -> None:
    result = python(engine, START + OPTIONS)
    assert int(result.stdout.splitlines()[-1]) == report(engine)["limits"]["socket_options"], result.stderr


def test_engine_takes_messages_up_to_its_packet_size(engine: str) -> None:
    size = report(engine)["limits"]["packet"]
    sizes = f"import sys; sys.argv.append('{size // 2},{size - 1},{size + 100}')\n"
    result = python(engine, sizes + START + MESSAGE)
    assert result.stdout.splitlines()[-1] == "[True, True, False]", result.stderr


def test_engine_named_wrongly_is_refused() -> None:
    result = command("fast")
    assert result.returncode == 2
    assert "PJKA_ENGINE = 'fast'" in result.stderr
    assert "expected trial or production" in result.stderr


def test_engine_missing_names_the_way_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pjsua2", None)
    with pytest.raises(PjkaError, match="make engine"):
        active_engine()


@pytest.mark.skipif(not required("production"), reason="the production engine is not installed")
class TestProduction:
    """The production package, copied and altered; PYTHONPATH puts the copy first."""

    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        shutil.copytree(Path(report("production")["path"]).parent, tmp_path / "pjsua2")
        return tmp_path / "pjsua2"

    def refusal(self, copy: Path, wanted: str = "trial") -> str:
        result = command(wanted, PYTHONPATH=str(copy.parent))
        assert result.returncode == 2, result.stdout
        return result.stderr

    def alter(self, copy: Path, **changes: Any) -> None:
        file = copy / "build.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    def test_layout_of_the_compiler_is_the_layout_in_use(self) -> None:
        build = json.loads(Path(report("production")["path"]).with_name("build.json").read_text())
        used = asdict(layout_of(build["version"]))
        assert build["layout"].items() <= used.items()
        unchecked = {name.partition("_")[0] for name in used.keys() - build["layout"].keys()}
        assert unchecked <= {"version", "manager"}  # pjsip_tpmgr is not in pjproject's headers

    def test_copy_is_production_too(self, copy: Path) -> None:
        assert "the trial engine is not installed" in self.refusal(copy, "trial")

    def test_moved_member_is_refused_by_name(self, copy: Path) -> None:
        layout = json.loads((copy / "build.json").read_text())["layout"]
        self.alter(copy, layout=layout | {"factory": layout["factory"] + 8})
        assert "moved members: factory)" in self.refusal(copy)

    def test_description_of_another_version_is_refused(self, copy: Path) -> None:
        self.alter(copy, version="2.16")
        assert "its build.json is of 2.16" in self.refusal(copy)

    def test_unknown_build_is_refused(self, copy: Path) -> None:
        (copy / "build.json").unlink()
        message = self.refusal(copy)
        assert "does not know the build of pjproject 2.17" in message
        assert "expected pjsua2-python 2.15.1.post1" in message

    def test_unset_selector_gives_production(self) -> None:
        assert report("")["name"] == "production"

    def test_storm_of_connects_is_survived(self) -> None:
        result = python("production", START + STORM)
        assert result.returncode == 0, result.stderr
        assert "survived True" in result.stdout
