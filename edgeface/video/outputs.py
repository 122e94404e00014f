"""The outputs of tracked frames: an overlay, a recording, avatars."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgeface.drawing import draw_faces
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.faces import Faces
from edgeface.model import Model
from edgeface.output import is_written_in_place, make_folder
from edgeface.personal.model import PersonalModel
from edgeface.personal.rendering import draw_beside
from edgeface.recording import RecordingWriter, read_recording
from edgeface.retarget.avatar import Avatar
from edgeface.retarget.casting import Casting
from edgeface.retarget.formats import (
    ARKIT_ONLY,
    FORMATS,
    STREAMS,
    check_export,
    export,
    suited,
)
from edgeface.retarget.options import ExportOptions
from edgeface.video.reader import Frame, VideoReader
from edgeface.video.writer import VideoWriter

OVERLAY, RECORDING = "overlay.mp4", "take.jsonl"


def take_files(folder: Path) -> list[Path]:
    """What `Outputs.take_to` writes into a folder."""
    made = [folder / Path(RECORDING).with_suffix(known.suffix) for known in FORMATS.values()]
    return [folder / OVERLAY, *made]


class Outputs:
    """Everything made of a video while it is tracked; `close` finishes it, also after an error."""

    def __init__(self, video: VideoReader, model: Model, num_threads: int = 0) -> None:
        self._video, self._model, self._num_threads = video, model, num_threads
        self._overlay: VideoWriter | None = None
        self._mesh: FaceModel | None = None
        self._personal: PersonalModel | None = None
        self._recording: RecordingWriter | None = None
        self._avatars: list[Avatar] = []
        self._casting: Casting | None = None
        self._exports: list[tuple[Path, str, ExportOptions]] = []
        self._recorded: Path | None = None  # what is exported
        self._part: Path | None = None  # what is a recording only until it is exported
        self._written: list[Path] = []
        self._num_frames = 0

    def draw_to(self, path: Path, *, mesh: bool, personal: PersonalModel | None = None) -> None:
        """Write an overlay with the video's sound, and beside it the tracker's personal model."""
        if mesh:
            self._model.face_model.require_dense()
        self._overlay = VideoWriter(path, self._video, num_threads=self._num_threads)
        self._mesh = self._model.face_model if mesh else None
        self._personal = personal
        self._written.append(path)

    def record_to(self, path: Path, name: str, options: ExportOptions) -> None:
        """Write a recording; if another format is named, it is made of the recording at the end."""
        made_of_it = FORMATS[name].export is not None
        target = _unfinished(path) if made_of_it else path
        self._recording = RecordingWriter(
            target,
            self._model.metadata,
            self._video.source,
            self._video.fps,
            self._video.timecode,
        )
        self._recorded = target
        if made_of_it:
            self._exports, self._part = [(path, name, options)], target
        else:
            self._written.append(path)

    def take_to(self, folder: Path, options: ExportOptions, *, mesh: bool) -> None:
        """Write a folder with the overlay, the recording, and at the end all that is made of it."""
        made = {name: known.suffix for name, known in FORMATS.items() if known.export is not None}
        for name in sorted(made, key=lambda name: name in ARKIT_ONLY):  # a character is named first
            check_export(name, options)
        recording = folder / RECORDING
        make_folder(folder)
        self.draw_to(folder / OVERLAY, mesh=mesh, personal=options.personal)
        self.record_to(recording, "jsonl", options)
        self._exports = [(recording.with_suffix(s), name, options) for name, s in made.items()]

    def stream_to(self, protocol: str, addresses: Sequence[str], options: ExportOptions) -> None:
        """Stream to avatars by a protocol of `edgeface.retarget.formats.STREAMS`.

        Each address gets another person; the first of each protocol gets the same.
        """
        if self._casting is None:
            self._casting = Casting(options.track_id)
        options = suited(protocol, options)
        for role, address in enumerate(addresses):
            self._avatars.append(Avatar(STREAMS[protocol], address, options, self._casting, role))

    def write(self, frame: Frame, faces: Faces) -> None:
        """Pass a tracked frame on."""
        try:
            self._write(frame, faces)
            self._num_frames += 1
        except InvalidInputError:
            self._exports = []  # of half a recording they would take the places of older ones
            raise

    def _write(self, frame: Frame, faces: Faces) -> None:
        for avatar in self._avatars:
            avatar.show(frame.time_s, faces)
        if self._recording is not None:
            size = (frame.image.shape[0], frame.image.shape[1])
            self._recording.write(frame.index, frame.time_s, size, faces)
        if self._overlay is not None:
            overlay = draw_faces(frame.image, faces, mesh=self._mesh, expressions=True)
            if self._personal is not None:
                overlay = draw_beside(overlay, faces, self._personal)
            self._overlay.write(overlay, frame.time_s)

    def close(self) -> list[Path]:
        """Finish every file, even if one of them fails; returns those that are whole."""
        with contextlib.ExitStack() as finishing:
            for part in (*self._avatars, self._recording, self._overlay):  # the last is first
                if part is not None:
                    finishing.callback(part.close)
        if not self._num_frames:
            return []
        if self._recorded is not None and self._exports:
            self._export(self._recorded)
        return self._written

    def _export(self, recorded: Path) -> None:
        """Make everything of the recording, which is read once."""
        try:
            recording = read_recording(recorded)
            for path, name, options in self._exports:
                export(recording, path, name, options)
                self._written.append(path)
        except InvalidInputError as error:
            raise InvalidInputError(f"{error}; what was tracked is kept in {recorded}") from error
        if self._part is not None:
            self._part.unlink()


def _unfinished(path: Path) -> Path:
    """Where the recording grows that a file is made of at the end; no other file is touched."""
    if is_written_in_place(path):  # nothing else may be written beside a device
        path = Path(tempfile.gettempdir()) / path.name
    number, found = 1, path.with_name(f"{path.name}.part.jsonl")
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}.part-{number}.jsonl")
    return found
