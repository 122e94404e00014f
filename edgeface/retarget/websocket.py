"""Sending JSON by a WebSocket: a message for each frame, to every page that listens."""

from __future__ import annotations

import contextlib
import importlib
import json
import socket
import threading
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.retarget.datagrams import SUBJECT, angles_of, shown_address
from edgeface.retarget.retargeter import Retargeter, given_retargeter
from edgeface.types import FloatArray
from edgeface.values import SECONDS, Text, Whole, option

OWN_HOSTS = ("localhost", "127.0.0.1", "::1")
"""The hosts whose pages may listen; those of other sites, open in the same browser, may not."""
MAX_CLIENTS = 16
HANDSHAKE_S = 2.0
"""How long a client may take to say what it wants, and that it goes; the program's end waits."""


class WebSocketSender:
    """Serves one person as a WebSocket: each frame is a message of JSON.

    A client gets the last frame when it connects, and each frame from then on. A client that reads
    more slowly than frames come misses some.

    Parameters
    ----------
    host : the address at which the server listens; 127.0.0.1 serves this machine alone, "" is every
        address
    port : the port; 0 takes a free one
    retargeter : turns a person's expression into the character's; without targets, ARKit's names
        are sent
    name : the name in every message, which tells several performers apart

    Raises
    ------
    InvalidInputError
        If the server cannot listen there.
    BackendUnavailableError
        If websockets is not installed.

    Notes
    -----
    A message is ``{"name": "edgeface", "time_s": 1.2, "blendshapes": {"jawOpen": 0.4,
    "cheekPuff": null, ...}, "quaternion_wxyz": [w, x, y, z], "euler_deg": [pitch, yaw, roll],
    "eyes_deg": [[pitch, yaw], [pitch, yaw]]}``.

    What the network cannot see is null. The head's rotation is in the ``model`` frame, which is
    also that of glTF and three.js. ``eyes_deg`` has the right eye, then the left, relative to the
    head.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8766,
        retargeter: Retargeter | None = None,
        name: str = "edgeface",
    ) -> None:
        try:
            library: Any = importlib.import_module("websockets.sync.server")
            self._closed_error: Any = importlib.import_module("websockets.exceptions")
        except ImportError as error:
            raise BackendUnavailableError(
                "a WebSocket needs websockets: pip install 'edgeface[video]'"
            ) from error
        self.retargeter = given_retargeter(retargeter)
        self._name = option("name", name, SUBJECT)
        self._news = threading.Condition()
        self._message, self._number, self._closed = "", 0, False
        self._clients: set[Any] = set()
        if host != "":  # every address of this machine
            option("host", host, Text(253))
        option("port", port, Whole(0, 65535))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family)
        except (OSError, UnicodeError) as error:
            raise InvalidInputError(
                f"cannot listen at {shown_address(host, port)}: {error}"
            ) from error
        self._server: Any = library.serve(
            self._serve,
            sock=listening,
            process_request=self._admit,
            compression=None,
            open_timeout=HANDSHAKE_S,
            close_timeout=HANDSHAKE_S,
        )
        threading.Thread(target=self._server.serve_forever, daemon=True, name="websocket").start()

    @property
    def port(self) -> int:
        """The port at which the server listens."""
        return int(self._server.socket.getsockname()[1])

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame; parameters are those of `Stream.send`."""
        time_s = option("time_s", time_s, SECONDS)
        shapes, head = self.retargeter(blendshapes, quaternion_wxyz)
        eyes = self.retargeter.eyes_deg(blendshapes)
        absent = dict.fromkeys(self.retargeter.target_names)
        message = json.dumps(
            {
                "name": self._name,
                "time_s": round(time_s, 6),
                "blendshapes": absent | {name: round(v, 4) for name, v in shapes.items()},
                "quaternion_wxyz": np.asarray(head, np.float64).round(5).tolist(),
                "euler_deg": [round(angle, 3) for angle in angles_of(head)],
                "eyes_deg": None if eyes is None else eyes.round(3).tolist(),
            }
        )
        with self._news:
            self._message, self._number = message, self._number + 1
            self._news.notify_all()

    def close(self) -> None:
        """End the server and hang up on its clients, also on those that read nothing."""
        with self._news:
            self._closed = True
            self._news.notify_all()
            self._news.wait_for(lambda: not self._clients, HANDSHAKE_S)
            for connection in self._clients:  # what is sent to it waits for ever
                with contextlib.suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()

    def _admit(self, connection: Any, request: Any) -> Any:
        """Turn away pages of other sites, and clients if there are too many."""
        origin: str | None = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).hostname not in OWN_HOSTS:
            return connection.respond(HTTPStatus.FORBIDDEN, "pages of this machine only\n")
        if len(self._clients) >= MAX_CLIENTS:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many listeners\n")
        return None

    def _serve(self, connection: Any) -> None:
        with self._news:
            self._clients.add(connection)
        seen = 0
        try:
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._closed or self._number != seen)  # noqa: B023
                    if self._closed:
                        break
                    message, seen = self._message, self._number
                connection.send(message)
            connection.close()
        except self._closed_error.ConnectionClosed:
            return
        finally:
            with self._news:
                self._clients.discard(connection)
                self._news.notify_all()
