"""The instance-id: who we are, over restarts (RFC 5626 4.1)."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from pjka.errors import PjkaError

FILE = "instance-id"


def instance_id(state: Path | None) -> str:
    """The URN of this installation, made when it is first asked for; None = of this run only.

    PjkaError if the file cannot be read or written, or holds something else.
    """
    if state is None:
        return uuid.uuid4().urn
    path = state / FILE
    try:
        state.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write(path, uuid.uuid4().urn)
        text = path.read_text(encoding="ascii").strip()
        return uuid.UUID(text).urn
    except (OSError, ValueError) as error:
        raise PjkaError(f"no instance-id: {error}", file=str(path), expected="urn:uuid:...") from error


def _write(path: Path, text: str) -> None:
    """All or nothing, so that a crash leaves no half of it."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(f"{text}\n", encoding="ascii")
    os.replace(new, path)
