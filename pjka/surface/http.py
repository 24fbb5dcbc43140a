"""A small HTTP server for what only reads: Prometheus metrics and the status page."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from pjka.errors import PjkaError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_CLIENT_SECONDS: Final = 5.0


class HttpServer:
    """Serves a WSGI application on ``host`` and ``port`` from ``start`` to ``stop``, a thread per request.

    A client that is silent for 5 s is let go. Where the application fails with PjkaError or in time, the
    client gets 503.
    """

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        self._where = host, port
        self._application = application
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port, once it is started."""
        return int(self._server.server_address[1]) if self._server else self._where[1]

    def start(self) -> None:
        """Serve from now on; PjkaError if it cannot listen there."""
        try:
            self._server = _Server(*self._where)
        except OSError as error:
            host, port = self._where
            raise PjkaError(f"no HTTP on {host} port {port}: {error.strerror}") from error
        self._server.set_app(self._serve)
        threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="pjka-http", daemon=True
        ).start()

    def stop(self) -> None:
        """Serve nothing any more; harmless when it is stopped."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _serve(self, environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environment["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Type", "text/plain")])
            return [b"this only shows\n"]
        try:
            return self._application(environment, start)
        except (PjkaError, TimeoutError) as error:
            logger.warning("no answer over HTTP: %s", error)
            start("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"the daemon is busy\n"]


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def log_message(self, format: str, *arguments: object) -> None:
        logger.debug(format, *arguments)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            logger.debug("a client over HTTP went away")


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without the look-up of the host's own name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()
