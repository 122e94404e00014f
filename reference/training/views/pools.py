"""What views are planned from: pictures of the atlas, and the faces in them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from edgeface.reference.data.targets import Targets, concatenate
from edgeface.reference.training.views.plan import Picture
from edgeface.types import AnyArray, IntArray


@dataclass(frozen=True)
class Pool:
    """N pictures, each with any number of faces.

    Attributes
    ----------
    number : (N,), each picture's number in the atlas
    size_hw : (N, 2), each picture's height and width, px
    start : (N + 1,), the first row of each picture's faces in ``targets``
    targets : the labels of all faces
    """

    number: IntArray
    size_hw: IntArray
    start: IntArray
    targets: Targets

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, row: int) -> tuple[Picture, Targets]:
        height, width = self.size_hw[row].tolist()
        faces = self.targets[self.start[row] : self.start[row + 1]]
        return Picture(int(self.number[row]), height, width), faces

    def to_arrays(self, name: str) -> dict[str, AnyArray]:
        """The pool as arrays whose names begin with ``name``."""
        own = {"number": self.number, "size_hw": self.size_hw, "start": self.start}
        own |= {f.name: getattr(self.targets, f.name) for f in fields(Targets)}
        return {f"{name}.{key}": value for key, value in own.items()}

    @staticmethod
    def from_arrays(arrays: dict[str, AnyArray], name: str) -> Pool:
        """The pool that `to_arrays` turned into arrays."""
        targets = Targets(**{f.name: arrays[f"{name}.{f.name}"] for f in fields(Targets)})
        own = {key: arrays[f"{name}.{key}"] for key in ("number", "size_hw", "start")}
        return Pool(**own, targets=targets)


def gather(shapes: list[tuple[int, ...]], targets: list[Targets], first: int) -> Pool:
    """A pool of pictures that follow one another in the atlas; the first has number ``first``."""
    counts = [len(faces) for faces in targets]
    return Pool(
        number=np.arange(first, first + len(shapes)),
        size_hw=np.array([shape[:2] for shape in shapes], np.int64).reshape(-1, 2),
        start=np.cumsum([0, *counts]),
        targets=concatenate([NOBODY, *targets]),
    )


NOBODY = Targets(
    landmarks=np.zeros((0, 68, 2), np.float32),
    boxes=np.zeros((0, 4), np.float32),
    identity=np.zeros((0, 50), np.float32),
    expression=np.zeros((0, 46), np.float32),
    rotation=np.zeros((0, 3, 3), np.float32),
    gaze=np.zeros((0, 2, 2), np.float32),
    has_fit=np.zeros(0, bool),
    ignore=np.zeros(0, bool),
)
