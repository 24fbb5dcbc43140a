"""pjka's production engine: pjproject's ``pjsua2``, beside another ``pjsua2`` that may be installed.

``pjka-engine.pth`` calls `select` when Python starts. Without this package, or with ``PJKA_ENGINE=trial`` in
the environment, ``import pjsua2`` finds what it would have found anyway.
"""

from __future__ import annotations

import os
import sys


def select() -> None:
    """Put the directory with the production ``pjsua2`` first, unless ``PJKA_ENGINE`` says ``trial``."""
    if os.environ.get("PJKA_ENGINE") != "trial":
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "production"))
