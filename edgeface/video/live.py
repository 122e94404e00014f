"""A page that shows a running video and its faces, served to this machine only."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from edgeface.drawing import draw_faces
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.faces import Faces
from edgeface.retarget.viewer import fill, neutral_of, packed, page_values, weights_of
from edgeface.rotations import quaternion_from_rotation
from edgeface.video.reader import Frame

BOUNDARY = "edgeface-frame"
JPEG_QUALITY = 80


class LiveView:
    """Serves the viewer at ``url``; every call of `show` reaches whoever looks at it.

    A reader that is slower than the video skips frames.

    Raises
    ------
    InvalidInputError
        If the port is taken.
    """

    def __init__(self, face_model: FaceModel, source: str, port: int) -> None:
        self._face_model = face_model
        self._page = fill(page_values(face_model, source, live=True)).encode()
        self._changed = threading.Condition()
        self._count, self._jpeg, self._faces, self._closed = 0, b"", "", False
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        except (OSError, OverflowError) as error:
            raise InvalidInputError(f"cannot serve at port {port}: {error}") from error
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True, name="viewer").start()

    def show(self, frame: Frame, faces: Faces) -> None:
        """Draw a tracked frame and send it out."""
        buffer = io.BytesIO()
        overlay = draw_faces(frame.image, faces, expressions=True)
        Image.fromarray(overlay).save(buffer, "JPEG", quality=JPEG_QUALITY)
        rows = [
            {
                "id": face.track_id,
                "neutral": packed(neutral_of(face.identity_coeffs, self._face_model), "float32"),
                "weights": weights_of(face.expression_coeffs).tolist(),
                "quaternion": quaternion_from_rotation(face.rotation).round(5).tolist(),
            }
            for face in faces
        ]
        with self._changed:
            self._count += 1
            self._jpeg = buffer.getvalue()
            self._faces = json.dumps({"time_s": frame.time_s, "faces": rows})
            self._changed.notify_all()

    def close(self) -> None:
        """End the server and let its readers go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def _updates(self) -> Iterator[tuple[bytes, str]]:
        seen = 0
        while True:
            with self._changed:
                while self._count == seen and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                seen, jpeg, faces = self._count, self._jpeg, self._faces
            yield jpeg, faces

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        view = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts: dict[str, tuple[str, Iterable[bytes]]] = {
                    "/": ("text/html; charset=utf-8", [view._page]),
                    "/video": (f"multipart/x-mixed-replace; boundary={BOUNDARY}", view._pictures()),
                    "/faces": ("text/event-stream", view._events()),
                }
                if self.path not in parts:
                    self.send_error(404)
                    return
                kind, chunks = parts[self.path]
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                try:
                    for chunk in chunks:
                        self.wfile.write(chunk)
                except OSError:
                    return  # the page was closed

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def _pictures(self) -> Iterator[bytes]:
        for jpeg, _ in self._updates():
            head = (
                f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            )
            yield head.encode() + jpeg + b"\r\n"

    def _events(self) -> Iterator[bytes]:
        for _, faces in self._updates():
            yield f"data: {faces}\n\n".encode()


def paced(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Frames of a file when they are due, as a camera gives them."""
    started = time.perf_counter()
    for frame in frames:
        time.sleep(max(0.0, frame.time_s - (time.perf_counter() - started)))
        yield frame
