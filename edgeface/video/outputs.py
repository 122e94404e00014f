"""Where tracked frames go: overlay, recording, avatar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeface.drawing import draw_faces
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.faces import Face, Faces
from edgeface.model import Model
from edgeface.rotations import quaternion_from_rotation
from edgeface.video.export import ExportOptions, export
from edgeface.video.reader import Frame, VideoReader
from edgeface.video.recording import RecordingWriter
from edgeface.video.tracker import REMEMBER_S
from edgeface.video.writer import VideoWriter

UNFINISHED = ".part.jsonl"
"""Added to the name of a file whose format can only be written at the end."""


class Outputs:
    """All that is made of a video while it is tracked; `close` finishes it, also after an error."""

    def __init__(self, video: VideoReader, model: Model, num_threads: int = 0) -> None:
        self._video, self._model, self._num_threads = video, model, num_threads
        self._overlay: VideoWriter | None = None
        self._mesh: FaceModel | None = None
        self._recording: RecordingWriter | None = None
        self._avatar: Avatar | None = None
        self._export: tuple[Path, Path, str, ExportOptions] | None = None
        self._written: list[Path] = []

    def draw_to(self, path: Path, *, mesh: bool) -> None:
        """Write an overlay, with sound."""
        self._overlay = VideoWriter(path, self._video, num_threads=self._num_threads)
        self._mesh = self._model.face_model if mesh else None
        self._written.append(path)

    def record_to(self, path: Path, kind: str, options: ExportOptions) -> None:
        """Write a recording, or what is made of one at the end."""
        target = path if kind == "jsonl" else path.with_name(path.name + UNFINISHED)
        self._recording = RecordingWriter(
            target, self._model.metadata, self._video.source, self._video.fps
        )
        if kind != "jsonl":
            self._export = (target, path, kind, options)
        self._written.append(path)

    def stream_to(self, address: str, retargeter: Any, options: ExportOptions) -> None:
        """Stream one person to an avatar."""
        self._avatar = Avatar(address, retargeter, options)

    def write(self, frame: Frame, faces: Faces) -> None:
        """Pass a tracked frame on."""
        if self._avatar is not None:
            self._avatar.show(frame.time_s, faces)
        if self._recording is not None:
            size = (frame.image.shape[0], frame.image.shape[1])
            self._recording.write(frame.index, frame.time_s, size, faces)
        if self._overlay is not None:
            overlay = draw_faces(frame.image, faces, mesh=self._mesh, expressions=True)
            self._overlay.write(overlay, frame.time_s)

    def close(self) -> list[Path]:
        """Finish every file; returns those that are whole."""
        if self._avatar is not None:
            self._avatar.close()
        if self._recording is not None:
            self._recording.close()
        if self._overlay is not None:
            self._overlay.close()
        if self._export is not None:
            part, path, kind, options = self._export
            export(part, path, kind, self._model.face_model, options)
            part.unlink()
        return self._written


class Avatar:
    """One person's face, streamed by VMC.

    Who is followed stays until they were away for so long that the tracker has forgotten them; then
    whoever is nearest, so looks largest, is next.
    """

    def __init__(self, address: str, retargeter: Any, options: ExportOptions) -> None:
        from edgeface.retarget import VmcSender

        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise InvalidInputError(f"--vmc takes HOST:PORT, as 127.0.0.1:39539; got {address!r}")
        self._sender = VmcSender(host, int(port), retargeter)
        self._wanted, self._calibrate_s = options.track_id, options.calibrate_s
        self._followed, self._seen_s = options.track_id, 0.0
        self._neutral: list[tuple[float, dict[str, float], Any]] = []

    def show(self, time_s: float, faces: Faces) -> None:
        """Send the followed person, if in this frame."""
        face = self._follow(time_s, faces)
        if face is None:
            return
        shapes, quaternion = face.blendshapes, quaternion_from_rotation(face.rotation)
        begun_s = self._neutral[0][0] if self._neutral else time_s
        if self._calibrate_s and time_s - begun_s <= self._calibrate_s:
            self._calibrate(time_s, shapes, quaternion)
        self._sender.send(time_s, shapes, quaternion)

    def close(self) -> None:
        """Release the socket."""
        self._sender.close()

    def _follow(self, time_s: float, faces: Faces) -> Face | None:
        gone = self._followed is None or time_s - self._seen_s > REMEMBER_S
        if self._wanted is None and gone and len(faces):
            height = faces.boxes_xyxy[:, 3] - faces.boxes_xyxy[:, 1]
            nearest = faces[int(height.argmax())].track_id
            if nearest != self._followed:
                self._followed, self._neutral = nearest, []
        face = next((face for face in faces if face.track_id == self._followed), None)
        if face is not None:
            self._seen_s = time_s
        return face

    def _calibrate(self, time_s: float, shapes: dict[str, float], quaternion: Any) -> None:
        """Take the first seconds as the rest pose, better with every frame."""
        from edgeface.retarget import calibrate

        self._neutral.append((time_s, shapes, quaternion))
        self._sender.retargeter.rest = calibrate(
            [s for _, s, _ in self._neutral], np.stack([q for _, _, q in self._neutral])
        )
