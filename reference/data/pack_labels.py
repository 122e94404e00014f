"""The labels of a data pack: the arrays of its ``labels.npz``, checked, in ``image_px``."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from edgeface.archives import MAX_BYTES, arrays_of
from edgeface.errors import InvalidInputError
from edgeface.types import AnyArray

NAME = "labels.npz"
MESH_VERTICES = 468
IRIS_CENTRES = (468, 473)
"""The teacher's vertices in the middle of the right and the left iris; each has four around it."""

NUM_ATTRIBUTES = 4
"""How many columns ``face_attr`` has at least; the last of them says that a face does not count."""

LARGEST_SHARE = 2.0
"""Coordinates up to here are no pixels of any face, but what MediaPipe and YOLO write: shares."""
LARGEST_SCORE = 1.001

_IMAGES, _FACES, _MESHES, _NAMES = "images", "faces", "meshes", "names of scores"
_ARRAYS = {
    "image": ("U", (_IMAGES,)),
    "group": ("U", (_IMAGES,)),
    "source": ("U", (_IMAGES,)),
    "box": ("f", (_IMAGES, 4)),
    "landmarks68": ("f", (_IMAGES, 68, 2)),
    "face_image": ("iu", (_FACES,)),
    "face_box": ("f", (_FACES, 4)),
    "face_attr": ("biu", (_FACES, "attributes")),
    "mesh_face": ("iu", (_MESHES,)),
    "mesh478": ("f", (_MESHES, 478, 3)),
    "blendshape_names": ("U", (_NAMES,)),
    "blendshapes52": ("f", (_MESHES, _NAMES)),
}
"""Kinds of dtype and shape of each array; sizes with a name are the same wherever it stands."""
_POINTS_TO = {"face_image": _IMAGES, "mesh_face": _FACES}


class Labels(dict[str, AnyArray]):
    """Arrays by name; InvalidInputError, which names the pack, for one that it lacks."""

    def __init__(self, arrays: dict[str, AnyArray], path: Path) -> None:
        super().__init__(arrays)
        self.path = path

    def __missing__(self, name: str) -> AnyArray:
        stored = "mesh478" if name in ("mesh", "irises") else name
        raise InvalidInputError(f"the data pack {self.path} has no labels called {stored}")


def read_labels(archive: zipfile.ZipFile, path: Path, origin: float) -> Labels:
    """The labels of the pack at a path; none if it has no such file.

    Parameters
    ----------
    origin : what to add to coordinates for ``image_px``

    Raises
    ------
    Exception
        Whatever zips, numpy and compression raise if they are damaged; ValueError if arrays are of
        other types or shapes, do not fit each other, or boxes are not finite.
    """
    if NAME not in archive.namelist():
        return Labels({}, path)
    if archive.getinfo(NAME).file_size > MAX_BYTES:
        raise ValueError(f"{NAME} has more than {MAX_BYTES:,} bytes")
    labels = Labels(arrays_of(archive.read(NAME)), path)
    _check(labels)
    for key in ("landmarks68", "box", "face_box"):
        if key in labels:
            labels[key] = labels[key].astype(np.float32) + origin
    if "mesh478" in labels:
        mesh = labels.pop("mesh478").astype(np.float32)
        mesh[..., :2] += origin
        labels["mesh"] = mesh[:, :MESH_VERTICES]
        labels["irises"] = mesh[:, IRIS_CENTRES, :2]
    if "blendshapes52" in labels:
        labels["blendshapes52"] = labels["blendshapes52"].astype(np.float32)
    return labels


def _check(labels: Labels) -> None:
    """Raise ValueError unless every known array is of its type, and all fit together."""
    sizes: dict[str, int] = {}
    if "mesh_face" not in labels:  # every image is a face
        sizes |= {key: len(labels["image"]) for key in (_IMAGES, _MESHES) if "image" in labels}
    for name, (kinds, shape) in _ARRAYS.items():
        if name not in labels:
            continue
        array = labels[name]
        if array.dtype.kind not in kinds or array.ndim != len(shape):
            raise ValueError(f"{name} is {array.dtype} of the shape {array.shape}")
        wanted = [
            sizes.setdefault(w, size) if isinstance(w, str) else w
            for size, w in zip(array.shape, shape, strict=True)
        ]
        if list(array.shape) != wanted:
            raise ValueError(f"{name} has the shape {array.shape}, expected {tuple(wanted)}")
    if sizes.get("attributes", NUM_ATTRIBUTES) < NUM_ATTRIBUTES:
        raise ValueError(f"face_attr has fewer than {NUM_ATTRIBUTES} columns")
    for name, what in _POINTS_TO.items():
        array = labels.get(name, np.zeros(0, int))
        if array.size and not 0 <= array.min() <= array.max() < sizes.get(what, 0):
            raise ValueError(f"{name} points outside the {sizes.get(what, 0)} {what}")
    for name in ("box", "face_box"):
        if name in labels and not np.isfinite(labels[name]).all():
            raise ValueError(f"{name} holds values that are not finite")
    for name in ("landmarks68", "mesh478", "face_box"):
        if name in labels and 0 < _largest(labels[name][..., :2]) <= LARGEST_SHARE:
            raise ValueError(f"{name} holds shares of the image's sides, expected pixels")
    if _largest(labels.get("blendshapes52", np.zeros(0))) > LARGEST_SCORE:
        raise ValueError("blendshapes52 holds scores that are not in [0, 1]")


def _largest(values: AnyArray) -> float:
    """The largest absolute value of the finite ones; 0 if there are none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))
