"""Metrics and status page where ``pjka.conf`` wants them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from pjka.conf.settings import Settings
from pjka.events import Events
from pjka.logs import fields
from pjka.surface.http import HttpServer
from pjka.surface.metrics import Metrics
from pjka.surface.shows import Command
from pjka.surface.web import status_page

logger = logging.getLogger(__name__)


@contextmanager
def pages(settings: Settings, commands: Mapping[str, Command], events: Events) -> Iterator[None]:
    """Serve what ``[metrics]`` and ``[web]`` say while it lasts; PjkaError if it cannot listen there.

    ``commands`` are those of the control socket; only its ``show`` commands are used.
    """
    with ExitStack() as undo:
        if settings.metrics is not None:
            metrics = Metrics(commands)
            undo.callback(events.subscribe(metrics.hear))
            _serve(undo, "metrics", HttpServer(*settings.metrics, metrics.application()))
        if settings.web is not None:
            _serve(undo, "web", HttpServer(*settings.web, status_page(commands)))
        yield


def _serve(undo: ExitStack, what: str, server: HttpServer) -> None:
    server.start()
    undo.callback(server.stop)
    logger.info("http-up", extra=fields(serves=what, port=server.port))
