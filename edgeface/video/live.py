"""Serving a page that shows a running video and its faces, to nobody but who started it."""

from __future__ import annotations

import contextlib
import hmac
import io
import json
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from edgeface import strict_json
from edgeface.drawing import draw_faces
from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.faces import Faces
from edgeface.model import Model
from edgeface.personal.glb import person_glb
from edgeface.personal.model import PersonalModel
from edgeface.retarget.head import head_glb
from edgeface.retarget.viewer import fill
from edgeface.values import Whole, option
from edgeface.video.reader import Frame
from edgeface.video.stage import TAKE_FORMATS, Stage, mirrored

BOUNDARY = "edgeface-frame"
JPEG_QUALITY = 80
MAX_CLIENTS = 16
"""The number of connections at once; an open page has two, and more are turned away."""
MAX_ASKED_BYTES = 1 << 22
"""Of what a page may send at once."""
LENGTH = re.compile("[0-9]{1,9}")
ASSETS = Path(__file__).parents[1] / "assets" / "live"
SCRIPTS = ("live.js", "puppet.js", "three.js", "meshopt.js")
HEAD = "head.glb"
CLIENT_TIMEOUT_S = 10.0
"""How long a client may take to send its request, and to take what is sent."""
REPEAT_S = 3.0
"""After so long without news, the last is sent again, which shows who has gone."""
_Event = str | tuple[float, Faces]
"""A message, or the time and the faces of a frame."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; "
    "style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' data: blob:; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every answer: no other site may show or read the page or learn its address."""


class LiveView:
    """Serves the viewer at ``url``; every call of `show` reaches whoever looks at it.

    A client that is slower than the video skips frames. The address holds a random word. Requests
    without it, under another host's name, or from another site's page get no answer.

    Raises
    ------
    InvalidInputError
        If the port is taken.
    """

    def __init__(
        self,
        model: Model,
        source: str,
        port: int,
        sources: Iterable[str] = (),
        personal: PersonalModel | None = None,
    ) -> None:
        make_head = head_glb if personal is None else partial(person_glb, personal)
        beside = ThreadPoolExecutor(1)  # the page asks for the head once it has been read itself
        self._head = beside.submit(make_head).result
        beside.shutdown(wait=False)
        self.stage = Stage(model, source, list(dict.fromkeys([source, *sources])))
        self._changed = threading.Condition()
        self._count, self._jpeg, self._closed = 0, b"", False
        self._event: _Event | None = None
        try:
            self._server = _Server(option("port", port, Whole(0, 65535)), self._handler())
        except (OSError, InvalidInputError) as error:
            self.stage.close()
            raise InvalidInputError(f"cannot serve at port {port}: {error}") from error
        port = self._server.server_address[1]
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self._root = f"/{secrets.token_urlsafe(16)}/"
        self.url = f"http://127.0.0.1:{port}{self._root}"
        threading.Thread(target=self._server.serve_forever, daemon=True, name="viewer").start()

    def show(self, frame: Frame, faces: Faces) -> None:
        """Draw a tracked frame and send it."""
        seen = (frame.time_s, faces)
        size = (frame.image.shape[0], frame.image.shape[1])
        self.stage.record(frame.index, frame.time_s, size, faces)
        image = frame.image
        if self.stage.mirror:
            image, faces = mirrored(image, faces)
        buffer = io.BytesIO()
        overlay = draw_faces(image, faces)
        Image.fromarray(overlay).save(buffer, "JPEG", quality=JPEG_QUALITY)
        self._send(seen, buffer.getvalue())

    def tell(self, message: str) -> None:
        """Show a message about the source on the page until the next frame."""
        self._send(message, None)

    def close(self) -> None:
        """End the server and hang up on its clients."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self.stage.close()

    def _send(self, event: _Event, jpeg: bytes | None) -> None:
        with self._changed:
            self._count += 1
            self._jpeg = self._jpeg if jpeg is None else jpeg
            self._event = event
            self._changed.notify_all()

    def _updates(self) -> Iterator[tuple[bytes, _Event | None]]:
        """Yield the last news and all that follow; after a while without any, the last again."""
        seen = 0
        while True:
            with self._changed:
                if self._count == seen and not self._closed:
                    self._changed.wait(REPEAT_S)
                if self._closed:
                    return
                seen, jpeg, event = self._count, self._jpeg, self._event
            yield jpeg, event

    def _pictures(self) -> Iterator[bytes]:
        for jpeg, _ in self._updates():
            if jpeg:
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                yield f"{head}\r\n\r\n".encode() + jpeg + b"\r\n"

    def _events(self, page: str) -> Iterator[bytes]:
        last: _Event | None = None
        for _, event in self._updates():
            if event is None or event is last:
                yield b": nothing new\n\n"
                continue
            last = event
            if isinstance(event, str):
                told: dict[str, Any] = {"message": event}
            else:
                told = {"time_s": event[0], "faces": self.stage.rows(*event, page)}
            yield f"data: {json.dumps(told)}\n\n".encode()

    def _part(self, path: str) -> tuple[str, Iterable[bytes]] | None:
        """The media type and the chunks of what is at a path, or None.

        Raises
        ------
        EdgeFaceError
            If the take that is asked for cannot be had in that format.
        """
        asked, _, page = path.partition("?")
        parts: dict[str, tuple[str, Callable[[], Iterable[bytes]]]] = {
            "": ("text/html; charset=utf-8", partial(_alone, self._page)),
            "video": (f"multipart/x-mixed-replace; boundary={BOUNDARY}", self._pictures),
            "faces": ("text/event-stream", partial(self._events, page)),
            HEAD: ("model/gltf-binary", partial(_alone, self._head)),
        }
        for name in SCRIPTS:
            content = (ASSETS / name).read_bytes
            parts[name] = ("text/javascript; charset=utf-8", partial(_alone, content))
        for name in TAKE_FORMATS:
            parts[name] = ("application/octet-stream", partial(self._taken, name))
        for name, (kind, chunks) in parts.items():
            if hmac.compare_digest(asked.encode(), (self._root + name).encode()):
                return kind, chunks()
        return None

    def _page(self) -> bytes:
        """The page, as it stands now: it may be loaded again, or by another browser."""
        own = {"head": HEAD, "page": secrets.token_hex(8)}  # it has a character of its own
        return fill(self.stage.state() | own, ASSETS / "live.html").encode()

    def _taken(self, name: str) -> Iterable[bytes]:
        content = self.stage.take_file(name)
        if content is None:
            raise InvalidInputError("there is no take")
        return [content]

    def _answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and answer to what the page asks for."""
        root, _, action = path.partition("?")[0].rpartition("/")
        if not hmac.compare_digest(f"{root}/".encode(), self._root.encode()):
            return 404, {"message": "no such page"}
        try:
            told = self.stage.ask(action, strict_json.parse(body))
        except ValueError as error:
            return 400, {"message": str(error)}
        return (404, {"message": "no such action"}) if told is None else (200, told)

    def _is_own(self, headers: Any) -> bool:
        """Whether a request is for this server, and comes from its own page or the address bar."""
        if headers.get_all("Host") is None or len(headers.get_all("Host")) != 1:
            return False
        origin = headers.get("Origin")
        return (
            headers["Host"].strip().lower() in self._hosts
            and (origin is None or origin.lower() in {f"http://{host}" for host in self._hosts})
            and headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        view = self

        class Handler(BaseHTTPRequestHandler):
            timeout = CLIENT_TIMEOUT_S

            def do_GET(self) -> None:
                view._server.has_asked(self.request)
                if not view._is_own(self.headers):
                    self.send_error(403)
                    return
                try:
                    part = view._part(self.path)
                except EdgeFaceError as error:
                    self._begin(409, "text/plain; charset=utf-8")
                    self.wfile.write(str(error).encode())
                    return
                if part is None:
                    self.send_error(404)
                    return
                kind, chunks = part
                self._begin(200, kind)
                for chunk in chunks:
                    self.wfile.write(chunk)

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not view._is_own(self.headers):
                    self.send_error(403)
                elif not LENGTH.fullmatch(length) or int(length) > MAX_ASKED_BYTES:
                    self.send_error(413)
                else:
                    body = self.rfile.read(int(length))  # which may take no longer than the rest
                    view._server.has_asked(self.request)
                    status, told = view._answer(self.path, body)
                    self._begin(status, "application/json")
                    self.wfile.write(json.dumps(told).encode())

            def _begin(self, status: int, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                for name, value in HEADERS.items():
                    self.send_header(name, value)
                self.end_headers()

            def version_string(self) -> str:
                return "edgeface"

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _alone(content: Callable[[], bytes]) -> Iterable[bytes]:
    """A part that is one chunk, made when it is asked for."""
    return [content()]


class _Server(ThreadingHTTPServer):
    """A server for this machine alone, whose threads are few and never wait for ever."""

    daemon_threads = True
    request_queue_size = 4 * MAX_CLIENTS  # clients beyond it wait for seconds before they try again

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(MAX_CLIENTS)
        self._asking: dict[socket.socket, float] = {}
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or turn the client away at once if there are too many."""
        if self._free.acquire(blocking=False):
            self._asking[request] = time.monotonic()
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.has_asked(request)
            self._free.release()

    def has_asked(self, request: Any) -> None:
        """Note that a client has sent its request, and may now listen for as long as it likes."""
        self._asking.pop(request, None)

    def service_actions(self) -> None:
        """Hang up on clients that ask too slowly; called twice a second."""
        for request, since in list(self._asking.items()):
            if time.monotonic() - since > CLIENT_TIMEOUT_S:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, but not that a page was closed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
