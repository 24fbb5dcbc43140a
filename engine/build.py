#!/usr/bin/env python3
"""Builds pjproject as pjka's production engine and installs it into the Python that runs this script.

The source is the pjproject that Debian keeps inside its `asterisk` source package, fetched with apt from the
mirror that this machine is configured for; ``PJPROJECT_SOURCE=DIR`` builds any other tree. The wheel is kept
in ``$XDG_CACHE_HOME/pjka`` (``~/.cache/pjka``) until source, settings, Python or C library change.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

# pjproject 2.17, the component Xpjproject of asterisk 22.10.1+dfsg+~cs6.17.60671434
KNOWN_SOURCE = "6860c2f7604b4eee75f38151a9ef69774eb3f0c5286fc1d14bc1db2dc5a9e8aa"

HARDENING = "-D_FORTIFY_SOURCE=2 -fstack-protector-strong"
COMPILER = f"-O2 -fPIC {HARDENING}"
ABSENT = """
    sound video sdl ffmpeg v4l2 openh264 vpx resample speex-aec libsrtp libyuv libwebrtc libuuid upnp
    g711-codec l16-codec gsm-codec g722-codec g7221-codec speex-codec ilbc-codec opencore-amr silk opus
    bcg729 lyra
"""
CONFIGURE = [f"CFLAGS={COMPILER}", f"CXXFLAGS={COMPILER}", "--enable-epoll"]
CONFIGURE += [f"--disable-{feature}" for feature in ABSENT.split()]
SWIG = ["-c++", "-python", "-threads", "-doxygen", "-w312"]
# The bindings are one huge file of glue, which gains nothing from -O2 but compiles half as fast.
BINDINGS = ["-O1", "-shared", "-s", "-Wl,-z,relro,-z,now"]
LIBRARIES = ("pjlib", "pjlib-util", "pjnath", "pjmedia", "pjsip")

PACKAGES = {"make": "make", "g++": "g++", "swig": "swig", "xz": "xz-utils", "tar": "tar"}
STEP_LIMIT = 1800.0  # seconds; the longest step takes one minute on an ordinary machine


class BuildError(Exception):
    """What went wrong, and what to do about it."""


class Steps:
    """Runs commands one after another, shows which one and for how long, keeps their output in one file."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.live = sys.stdout.isatty()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        self.environment |= {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}

    def run(self, title: str, command: list[str], cwd: Path | None = None, **environment: str) -> None:
        """Run ``command``; BuildError with the end of its output if it fails or outlasts STEP_LIMIT."""
        print(f"{title:<24}", end="", flush=True)
        started = time.monotonic()
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(title, process, started)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        shown = f"\r{title:<24}" if self.live else ""
        print(f"{shown}{time.monotonic() - started:4.0f} s")
        if process.returncode:
            raise BuildError(f"{command[0]} failed with {process.returncode}:\n{self._tail()}")

    def _wait(self, title: str, process: subprocess.Popen[bytes], started: float) -> None:
        while True:
            try:
                process.wait(1.0)
                return
            except subprocess.TimeoutExpired:
                elapsed = time.monotonic() - started
            if elapsed > STEP_LIMIT:
                raise BuildError(f"{title} was stopped after {STEP_LIMIT:.0f} s:\n{self._tail()}")
            if self.live:
                print(f"\r{title:<24}{elapsed:4.0f} s", end="", flush=True)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])


def tree_digest(tree: Path) -> str:
    """The SHA-256 over the names and contents of all files that a build of ``tree`` starts from."""
    digest = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        if path.is_file() and ".git" not in path.parts and path.suffix not in {".a", ".o", ".depend"}:
            digest.update(f"{path.relative_to(tree)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_key(source: str) -> str:
    """What the kept wheel is found by: eight digits over all that makes one build differ from another."""
    recipe = json.dumps([source, CONFIGURE, SWIG, BINDINGS, platform.libc_ver()])
    files = [
        HERE / "config_site.h",
        HERE / "describe.c",
        *(p for p in (HERE / "wheel").rglob("*") if p.is_file()),
    ]
    digest = hashlib.sha256(recipe.encode())
    for path in sorted(path for path in files if path.suffix != ".pyc"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def kept_wheel(cache: Path, key: str) -> Path | None:
    """The wheel of an earlier build with this key, for this Python and this platform."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    for wheel in cache.glob(f"pjka_engine-*+{key}-{tag}-{tag}-{machine}.whl"):
        if zipfile.is_zipfile(wheel):
            return wheel
    return None


def need_tools(steps: Steps) -> None:
    """Install what the build needs, as root; BuildError naming the packages otherwise."""
    missing = [package for tool, package in PACKAGES.items() if shutil.which(tool) is None]
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing.append(f"libpython{sys.version_info.major}.{sys.version_info.minor}-dev")
    if shutil.which("g++") is None or not has_header("openssl/ssl.h"):
        missing.append("libssl-dev")
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BuildError(
            f"missing: {' '.join(missing)}\ninstall them, as root: apt-get install {' '.join(missing)}"
        )
    steps.run("read package lists", ["apt-get", "update", "-o", "Acquire::Check-Valid-Until=false"])
    steps.run("install tools", ["apt-get", "install", "-y", "--no-install-recommends", *missing])


def has_header(name: str) -> bool:
    """Whether the compiler finds ``name``."""
    command = ["g++", "-E", "-x", "c", "-include", name, os.devnull]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def mirrors() -> list[str]:
    """The package archives that this machine is configured for, Debian's own first."""
    layout = "$(REPO_URI) $(ORIGIN) $(LABEL)"
    command = ["apt-get", "indextargets", "--format", layout, "Created-By: Packages"]
    if shutil.which(command[0]) is None:
        raise BuildError(
            "there is no apt here to fetch pjproject; set PJPROJECT_SOURCE to a source tree of it"
        )
    lines = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    lines.sort(key=lambda line: not line.endswith(" Debian Debian"))
    return list(dict.fromkeys(line.split(" ")[0] for line in lines))


def apt_options(work: Path, mirror: str) -> list[str]:
    """Options that give apt a state of its own below ``work``, with Debian sid's sources from ``mirror``."""
    parts = work / "apt" / "parts"
    for directory in (
        parts,
        work / "apt" / "lists" / "partial",
        work / "apt" / "cache" / "archives" / "partial",
    ):
        directory.mkdir(parents=True, exist_ok=True)
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = f"Signed-By: {keyring}\n" if keyring.is_file() else ""
    text = f"Types: deb-src\nURIs: {mirror}\nSuites: sid\nComponents: main\n{signed}"
    (parts / "sid.sources").write_text(text)
    settings = {
        "Dir::Etc::SourceList": os.devnull,
        "Dir::Etc::SourceParts": str(parts),
        "Dir::State::Lists": str(work / "apt" / "lists"),
        "Dir::Cache": str(work / "apt" / "cache"),
        "Acquire::Check-Valid-Until": "false",  # a mirror may be a frozen snapshot
        "APT::Update::Error-Mode": "any",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def fetch(steps: Steps, work: Path, wanted: str) -> Path:
    """Download and unpack Debian's pjproject; BuildError unless its tarball has the SHA-256 ``wanted``."""
    download = work / "download"
    download.mkdir()
    if os.geteuid() == 0:
        shutil.chown(download, "_apt")  # apt gives up root while it downloads
    options = usable_mirror(steps, work)
    steps.run("download pjproject", ["apt-get", *options, "source", "--download-only", "asterisk"], download)
    tarball = next(download.glob("asterisk_*.orig-Xpjproject.tar.*"), None)
    if tarball is None:
        raise BuildError(
            "the source package asterisk of this mirror's Debian sid has no component Xpjproject"
        )
    found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if found != wanted:
        raise BuildError(
            f"{tarball.name} has the SHA-256\n  {found}, not\n  {wanted}\n"
            f"If this is the pjproject you want, say so: PJPROJECT_SHA256={found}"
        )
    steps.run("unpack", ["tar", "-xf", str(tarball)], work)
    tree = next(work.glob("*/version.mak"), None)
    if tree is None:
        raise BuildError(f"{tarball.name} holds no pjproject source tree")
    return tree.parent


def usable_mirror(steps: Steps, work: Path) -> list[str]:
    """apt's options for the first configured archive that has Debian sid."""
    for mirror in mirrors():
        options = apt_options(work, mirror)
        try:
            steps.run("read source lists", ["apt-get", *options, "update"])
        except BuildError:
            continue
        return options
    raise BuildError(
        "no package mirror of this machine has Debian sid; set PJPROJECT_SOURCE to a source tree"
    )


def copy_tree(tree: Path, work: Path) -> Path:
    """A clean copy of a source tree, so that building leaves the original alone."""
    copy = work / "pjproject"
    shutil.copytree(
        tree, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", "*.o", "*.a", ".*.depend")
    )
    return copy


def version_of(tree: Path) -> str:
    """The version in ``version.mak``, such as 2.17, 2.15.1 or 2.17-dev."""
    file = tree / "version.mak"
    if not file.is_file():
        raise BuildError(f"{tree} is not a pjproject source tree: it has no version.mak")
    pattern = r"export PJ_VERSION_(MAJOR|MINOR|REV|SUFFIX)\s*:=[ \t]*(\S*)"
    part: dict[str, str] = dict(re.findall(pattern, file.read_text()))
    number = ".".join(part[name] for name in ("MAJOR", "MINOR", "REV") if part.get(name))
    return number + part.get("SUFFIX", "")


def compile_library(steps: Steps, tree: Path) -> None:
    """Configure and compile pjproject's static libraries."""
    shutil.copy(HERE / "config_site.h", tree / "pjlib/include/pj/config_site.h")
    makefile = tree / "pjmedia/build/Makefile"
    if not (tree / "pjmedia/src/pjmedia-audiodev/bdimad_dev.c").exists():
        # Debian leaves this sound driver out, for its licence, but not out of the list of objects.
        makefile.write_text(makefile.read_text().replace(" bdimad_dev.o", ""))
    jobs = len(os.sched_getaffinity(0))
    steps.run("configure", ["./configure", *CONFIGURE], tree)
    steps.run("compile pjproject", ["make", f"-j{jobs}", "lib"], tree)


def flags(tree: Path, kind: str) -> list[str]:
    """What pjproject's own makefiles pass to the compiler for its bindings: cflags, ldflags or libs."""
    command = ["make", "--silent", "--no-print-directory", "-f", "helper.mak", kind]
    directory = tree / "pjsip-apps/src/swig/python"
    output = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    return output.split()


def compile_bindings(steps: Steps, tree: Path, package: Path) -> None:
    """Generate and compile pjsua2 as the Python package ``package``."""
    directory = tree / "pjsip-apps/src/swig/python"
    include = [f"-I{tree / library / 'include'}" for library in LIBRARIES]
    steps.run(
        "generate bindings", ["swig", *SWIG, *include, "-o", "pjsua2_wrap.cpp", "../pjsua2.i"], directory
    )
    package.mkdir(parents=True)
    shutil.copy(directory / "pjsua2.py", package / "__init__.py")
    module = package / f"_pjsua2{sysconfig.get_config_var('EXT_SUFFIX')}"
    libraries = [f"-l{name}" for name in flags(tree, "libs")]
    python = f"-I{sysconfig.get_path('include')}"
    command = ["g++", *flags(tree, "cflags"), *BINDINGS, python, "pjsua2_wrap.cpp", "-o", str(module)]
    steps.run("compile bindings", [*command, *flags(tree, "ldflags"), *libraries], directory)


def describe(steps: Steps, tree: Path, package: Path, source: str) -> None:
    """Write ``build.json``: version, source, limits and structure layout, from the compiler's own mouth."""
    program = tree / "describe"
    steps.run("describe", ["gcc", *flags(tree, "cflags"), str(HERE / "describe.c"), "-o", str(program)], tree)
    facts = json.loads(subprocess.run([program], capture_output=True, timeout=60, check=True).stdout)
    facts = {"version": version_of(tree), "source": source} | facts
    (package / "build.json").write_text(json.dumps(facts, indent=2) + "\n")


def build_wheel(steps: Steps, tree: Path, work: Path, source: str) -> Path:
    """Build everything, see that it can be imported, and pack it."""
    stage = work / "wheel"
    shutil.copytree(HERE / "wheel", stage, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(tree / "COPYING", stage)
    package = stage / "pjka_engine" / "production" / "pjsua2"
    compile_library(steps, tree)
    compile_bindings(steps, tree, package)
    describe(steps, tree, package, source)
    probe = [sys.executable, "-c", "import pjsua2; pjsua2.Endpoint()"]
    steps.run("try it", probe, PYTHONPATH=str(package.parent), PJKA_ENGINE="trial")  # not an installed one
    number, _, suffix = version_of(tree).partition("-")
    version = f"{number}{'.dev0' if suffix else ''}+{build_key(source)}"
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", f"--wheel-dir={work}/out", str(stage)]
    steps.run("pack", pip, PJKA_ENGINE_VERSION=version)
    return next((work / "out").glob("*.whl"))


def build(cache: Path, tree: Path | None, source: str) -> Path:
    """Build the wheel in a temporary directory and keep it in ``cache``; after a failure, keep the log."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pjka-engine-") as name:
        work = Path(name)
        work.chmod(0o755)
        steps = Steps(work / "log")
        try:
            need_tools(steps)
            copy = copy_tree(tree, work) if tree else fetch(steps, work, source)
            wheel = build_wheel(steps, copy, work, source)
        except BuildError:
            if steps.log.exists():
                shutil.copy(steps.log, cache / "engine-build.log")
                print(f"\nthe whole output is in {cache / 'engine-build.log'}", file=sys.stderr)
            raise
        part = cache / f".{os.getpid()}.part"
        shutil.copy(wheel, part)
        return part.replace(cache / wheel.name)


def install(wheel: Path) -> None:
    """Install ``wheel`` into the Python that runs this script, unless it is there already."""
    version = wheel.name.split("-")[1]
    try:
        if importlib.metadata.version("pjka-engine") == version:
            print(f"installed already: pjka-engine {version}")
            return
    except importlib.metadata.PackageNotFoundError:
        pass
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--force-reinstall",
        str(wheel),
    ]
    if subprocess.run(command, timeout=STEP_LIMIT, check=False).returncode:
        raise BuildError(f"pip could not install {wheel}")
    print(f"installed: pjka-engine {version}")


def main() -> int:
    """Build if need be, then install."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--no-install", action="store_true", help="only make the wheel")
    options = parser.parse_args()
    tree = Path(os.environ["PJPROJECT_SOURCE"]).resolve() if os.environ.get("PJPROJECT_SOURCE") else None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pjka"
    try:
        if tree:
            version_of(tree)
        source = tree_digest(tree) if tree else os.environ.get("PJPROJECT_SHA256", KNOWN_SOURCE)
        wheel = kept_wheel(cache, build_key(source)) or build(cache, tree, source)
        print(wheel)
        if not options.no_install:
            install(wheel)
    except (BuildError, OSError, subprocess.SubprocessError) as error:
        print(f"\nno engine was built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
