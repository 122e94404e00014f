"""What the live page shows of each person, and what may be asked of it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.addresses import without_secrets
from edgeface.errors import InvalidInputError
from edgeface.faces import Face, Faces
from edgeface.metadata import Metadata
from edgeface.model import Model
from edgeface.recording import RecordingWriter
from edgeface.retarget.character import eyes_are_bones, named_bones
from edgeface.retarget.formats import export
from edgeface.retarget.mapping import BONES, Mapping, read_mapping
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.presets import adapt, choose_preset
from edgeface.retarget.retargeter import Retargeter
from edgeface.rotations import quaternion_from_rotation
from edgeface.types import ImageArray
from edgeface.values import Choice, Flag, Record, Several, Text

EYES = (*range(36, 42), *range(42, 48))
OTHER_EYES = (45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40)
"""The landmarks of both eyes, and those that a mirror puts in their places."""
MAX_PEOPLE, MAX_PAGES = 100, 16
"""Whose lids, and which pages' characters, are remembered."""
TAKE_FORMATS = {"take.jsonl": "jsonl", "take.csv": "livelink", "take.glb": "gltf"}
"""What a take is handed out as, by the name of the file."""
_CHARACTER = Record(
    {
        "name": Text(),
        "kind": Choice(("glTF", "VRM 0.x", "VRM 1.0")),
        "own": Flag(),
        "shapes": Several(Text(), 0, 5000),
        "nodes": Several(Text(pattern=".*"), 0, 50000),
    },
    {"page": Text()},
)


@dataclass
class _Figure:
    """How the character of a page is moved.

    Attributes
    ----------
    mapping : for its shapes
    bones : its bones that share the head's turn
    turns_eyes : whether its eyes are bones
    retargeters : for each person, by number
    """

    mapping: Mapping
    bones: set[str] = field(default_factory=lambda: set())
    turns_eyes: bool = False
    retargeters: dict[int | None, Retargeter] = field(default_factory=lambda: {})


class Stage:
    """The state of the live page: what all who look at it share, and the character of each.

    Parameters
    ----------
    model : the network that finds the faces, whose face model recordings are of
    source : what is shown at first
    sources : what may be shown instead
    """

    def __init__(self, model: Model, source: str, sources: list[str]) -> None:
        self.source, self.mirror = source, False
        self.sources = {without_secrets(name): name for name in sources}  # by what the page shows
        self._model = model
        self._figures: dict[str, _Figure] = {}  # by the name of the page
        self._lock = threading.Lock()
        self._seen: set[str] = set()  # what networks of crops tell beside the one that detects
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._writer: RecordingWriter | None = None
        self._num_recorded = 0
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "character": self._drive, "mirror": self._turn_round, "source": self._change_source,
            "take": self._record,
        }  # fmt: skip

    def ask(self, action: str, values: Any) -> dict[str, Any] | None:
        """Do what the page asks for; None where there is no such action.

        Raises
        ------
        InvalidInputError
            If the values are not what the action takes.
        """
        if action not in self._actions:
            return None
        try:
            with self._lock:
                return self._actions[action](values)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise InvalidInputError(str(error)) from error

    def state(self) -> dict[str, Any]:
        """What a page that is loaded has to show of the state."""
        with self._lock:
            return {
                "sources": [*self.sources],
                "source": without_secrets(self.source),
                "mirror": self.mirror,
                "recording": self._writer is not None,
            }

    def rows(self, time_s: float, faces: Faces, page: str = "") -> list[dict[str, Any]]:
        """What each person's character does on a page in a frame, ready for JSON."""
        with self._lock:
            figure = self._figures.get(page) or self._as_seen(_Figure(read_mapping("arkit")))
            self._keep(page, figure)
            return [self._row(figure, time_s, face) for face in faces]

    def record(self, frame: int, time_s: float, size: tuple[int, int], faces: Faces) -> None:
        """Take a frame into the take, while one is recorded."""
        with self._lock:
            if self._writer is not None:
                self._writer.write(frame, time_s, size, faces)
                self._num_recorded += 1

    def take_file(self, name: str) -> bytes | None:
        """The last take as a file of `TAKE_FORMATS`; None where there is none.

        Raises
        ------
        InvalidInputError
            If nobody was seen in it.
        """
        with self._lock:
            if name not in TAKE_FORMATS or self._writer is not None or not self._num_recorded:
                return None
            content = self._take().read_bytes()
        if TAKE_FORMATS[name] == "jsonl":
            return content
        # of a copy, so that the page goes on meanwhile, and may record the next take
        with tempfile.TemporaryDirectory(prefix="edgeface-take-") as folder:
            take, made = Path(folder, "take.jsonl"), Path(folder, name)
            take.write_bytes(content)
            export(take, made, TAKE_FORMATS[name], ExportOptions())
            return made.read_bytes()

    def close(self) -> None:
        """Forget the take."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._folder is not None:
                self._folder.cleanup()

    def _row(self, figure: _Figure, time_s: float, face: Face) -> dict[str, Any]:
        if len(figure.retargeters) > MAX_PEOPLE:
            figure.retargeters.clear()
        retargeter = figure.retargeters.setdefault(face.track_id, Retargeter(figure.mapping))
        seen = face.blendshapes
        self._seen.update(seen)
        retargeter.watch(time_s, seen)
        shapes, head = retargeter(seen, quaternion_from_rotation(face.rotation))
        bones = retargeter.bone_turns(head, figure.bones)
        if figure.turns_eyes:
            bones |= retargeter.eye_turns(seen)
        return {
            "id": face.track_id,
            "seen": {name: round(value, 3) for name, value in seen.items()},
            "shapes": {name: round(value, 3) for name, value in shapes.items()},
            "bones": {bone: np.round(turn, 4).tolist() for bone, turn in bones.items()},
        }

    def _drive(self, values: dict[str, Any]) -> dict[str, Any]:
        given = _CHARACTER.check(values, "")
        name = choose_preset(given["shapes"], given["name"])
        mapping = adapt(read_mapping(name), given["shapes"])
        vrm = given["kind"] != "glTF"
        # a VRM itself says which nodes its bones are
        every = dict.fromkeys((*BONES, "leftEye", "rightEye"), 0)
        nodes = every if vrm else named_bones(given["nodes"])
        turns_eyes = eyes_are_bones(given["own"], given["kind"], given["shapes"])
        figure = _Figure(mapping, set(nodes) & set(BONES), turns_eyes)
        self._keep(given.get("page", ""), self._as_seen(figure))
        seen = set(self._model.metadata.seen_shapes) | self._seen
        drives = [name for name, recipe in mapping.recipes.items() if seen & set(recipe)]
        return {
            "mapping": name,
            "drives": drives,
            "still": [shape for shape in given["shapes"] if shape not in drives],
            "bones": nodes,
        }

    def _turn_round(self, values: dict[str, Any]) -> dict[str, Any]:
        self.mirror = Flag().check(values["on"], "on")
        for page, figure in self._figures.items():
            self._figures[page] = self._as_seen(figure)
        return {"on": self.mirror}

    def _keep(self, page: str, figure: _Figure) -> None:
        """Remember the figure of a page that is looked at; the one not looked at longest goes."""
        self._figures.pop(page, None)
        self._figures[page] = figure
        if len(self._figures) > MAX_PAGES:
            del self._figures[next(iter(self._figures))]

    def _as_seen(self, figure: _Figure) -> _Figure:
        """The figure as the mirror, or nobody, shows it; lids are learned anew."""
        return replace(figure, mapping=replace(figure.mapping, mirror=self.mirror), retargeters={})

    def _change_source(self, values: dict[str, Any]) -> dict[str, Any]:
        name = Choice(tuple(self.sources)).check(values["name"], "name")
        self.source = self.sources[name]
        return {"name": name}

    def _record(self, values: dict[str, Any]) -> dict[str, Any]:
        on = Flag().check(values["on"], "on")
        if on and self._writer is None:
            metadata: Metadata = self._model.metadata
            take = self._take()
            take.unlink(missing_ok=True)
            self._writer = RecordingWriter(take, metadata, self.source, None)
            self._num_recorded = 0
        elif not on and self._writer is not None:
            self._writer.close()
            self._writer = None
        return {"on": self._writer is not None, "frames": self._num_recorded}

    def _take(self) -> Path:
        """Where the take lies; the page works also where there is no place for one."""
        if self._folder is None:
            try:
                self._folder = tempfile.TemporaryDirectory(prefix="edgeface-take-")
            except OSError as error:
                raise InvalidInputError(f"there is no place for a take: {error}") from error
        return Path(self._folder.name) / "take.jsonl"


def mirrored(image: ImageArray, faces: Faces) -> tuple[ImageArray, Faces]:
    """A picture and its faces as a mirror shows them; expressions keep their person's sides.

    The person's left eye is the right one of who is seen in the mirror, and its landmarks and its
    gaze are told so.
    """
    width = image.shape[1]
    boxes, points = faces.boxes_xyxy.copy(), faces.landmarks_3d.copy()
    points[:, EYES] = points[:, OTHER_EYES]
    gaze = None
    if faces.gaze_deg is not None:
        gaze = (faces.gaze_deg[:, ::-1] * [1, -1]).astype(np.float32)
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    points[..., 0] = width - points[..., 0]
    flip = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)
    turned = replace(
        faces,
        boxes_xyxy=boxes,
        landmarks_3d=points,
        rotation=flip @ faces.rotation @ flip,
        gaze_deg=gaze,
    )
    return np.ascontiguousarray(image[:, ::-1]), turned
