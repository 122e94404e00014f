"""Reading the data packs: zips of ``images/*.jpg`` with one ``labels.npz``.

Everything that leaves this module is in ``image_px``, whose origin is the corner of the top-left
pixel. Some packs count from that corner, the others from the pixel's centre (`FROM_CENTRE`).
"""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.image import read_image
from edgeface.image_files import bytes_of_stream
from edgeface.reference.data.ledger import free_ledger
from edgeface.reference.data.pack_labels import read_labels
from edgeface.types import AnyArray, BoolArray, FloatArray, ImageArray, IntArray

HUMAN_PACK = "faces68-300w"
"""The single-face pack whose 68 points people placed."""
FREE_HUMAN_PACK = "faces68-webmorph"
"""Likewise of the packs that anyone may use; some of its faces have no points."""
MULTI_FACE_PACK = "multiface-wider"
NEGATIVE_PACK = "negatives"
VALIDATION_SHARE = 0.2
BLINK_WHEN_SHUT = 0.73
"""The teacher's blink score at which the lids of its mesh meet; higher ones mean the same."""


def data_dir(path: str | os.PathLike[str] | None) -> Path:
    """The folder of the packs: ``path``, or what the environment variable EDGEFACE_DATA says."""
    chosen = path or os.environ.get("EDGEFACE_DATA")
    if not chosen:
        raise InvalidInputError("no data: give --data DIR or set EDGEFACE_DATA")
    if not Path(chosen).is_dir():
        raise InvalidInputError(f"the data folder {chosen} does not exist")
    return Path(chosen)


@dataclass(frozen=True)
class Sources:
    """Which packs a run reads.

    Attributes
    ----------
    faces, photos : packs of single faces, and of photos with any number of faces
    more_faces, more_photos : the same, read if they are in the folder
    empty : the pack of photos without faces
    free : whether only files may be opened that the ledger of free sources has
    """

    faces: tuple[str, ...]
    more_faces: tuple[str, ...]
    photos: tuple[str, ...]
    more_photos: tuple[str, ...]
    empty: str
    free: bool = False


RESEARCH = Sources(
    faces=(HUMAN_PACK, "faces68-video", "faces-expressive"),
    more_faces=("faces-portraits", "faces-lfw"),
    photos=(MULTI_FACE_PACK,),
    more_photos=("photos-masks",),
    empty=NEGATIVE_PACK,
)
"""All packs; what is learned from them is for research."""
FREE = Sources(
    faces=(FREE_HUMAN_PACK, "faces-free"),
    more_faces=("faces-rendered", "faces-hard"),
    photos=("crowds-rendered",),
    more_photos=(),
    empty="negatives-made",
    free=True,
)
"""Packs made of sources that anyone may use."""
FROM_CORNER = (*RESEARCH.faces, *RESEARCH.photos)
"""Packs whose coordinates are in ``image_px`` as they are stored (`docs/explanation/labels.md`)."""
FROM_CENTRE = 0.5
"""What to add to the coordinates of all other packs, px."""


def single_face_packs(folder: Path, sources: Sources = RESEARCH) -> tuple[str, ...]:
    """The packs of single faces to read in a folder."""
    return (*sources.faces, *_present(folder, sources.more_faces))


def photo_packs(folder: Path, sources: Sources = RESEARCH) -> tuple[str, ...]:
    """The packs of whole photos to read in a folder, those without faces last."""
    return (*sources.photos, *_present(folder, sources.more_photos), sources.empty)


def _present(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (folder / f"{name}.zip").is_file()]


@dataclass
class Pack:
    """An opened pack, whose images are decoded when they are asked for.

    Attributes
    ----------
    name : the pack's name
    archive : the zip that it is
    labels : the arrays of its ``labels.npz``, coordinates in ``image_px``; InvalidInputError for
        one that it lacks
    image_names : the paths of the images in the zip
    skipped : the names of the images that could not be decoded
    free : whether it was opened for a run that opens what the ledger has, and nothing else
    process : the number of the process that opened ``archive``
    """

    name: str
    archive: zipfile.ZipFile
    labels: dict[str, AnyArray]
    image_names: list[str]
    skipped: list[str] = field(default_factory=lambda: [])
    free: bool = False
    process: int = field(default_factory=os.getpid)

    def jpeg(self, index: int) -> bytes:
        """The stored bytes of one image; of what is none, the first ones."""
        if self.process != os.getpid() and self.archive.filename:
            # forked processes share the place in an open file, and would read each other's bytes
            self.archive, self.process = zipfile.ZipFile(self.archive.filename), os.getpid()
        name = self.image_names[index]
        with self.archive.open(name) as file:
            return bytes_of_stream(file, name)

    def image(self, index: int) -> ImageArray | None:
        """One image, as `read_image` gives it; None, and noted in ``skipped``, if it is corrupt."""
        try:
            return read_image(self.jpeg(index))
        except Exception:  # zips and compression have each their own
            self.skipped.append(f"{self.name}:{self.image_names[index]}")
            return None

    def images(self, indices: IntArray) -> Iterator[tuple[int, ImageArray]]:
        """The decodable images among ``indices``, in order, each with its index."""
        for index in indices:
            pixels = self.image(int(index))
            if pixels is not None:
                yield int(index), pixels

    @property
    def has_mesh(self) -> BoolArray:
        """For each mesh and its scores, whether they show a face; else the teacher saw none."""
        known = show_face(self.labels["mesh"])
        return known & np.isfinite(self.labels["blendshapes52"]).all(axis=1)

    def scores(self, rows: IntArray | slice = slice(None)) -> FloatArray:
        """The teacher's expressions of some rows, (N, 46), as `expression_scores` gives them."""
        labels = self.labels
        return expression_scores(labels["blendshapes52"][rows], labels["blendshape_names"])


def show_face(points: FloatArray) -> BoolArray:
    """For each face (N, P, C), whether its points are numbers, and do not all lie in one place.

    Where nobody saw a face, some programs write zeros, which no face model fits.
    """
    apart = (points != points[:, :1]).any(axis=(1, 2))
    return np.asarray(np.isfinite(points).all(axis=(1, 2)) & apart)


def nothing_in_split(what: str, validation: bool) -> InvalidInputError:
    """The error that one split of the packs lacks something that a run needs."""
    return InvalidInputError(
        f"the {'validation' if validation else 'training'} split has no readable {what}; a fifth "
        "of the groups (the people, clips or photos that the labels name) are for validation, by a "
        "hash of their names, and the rest for training: more groups give both"
    )


def no_pack(path: Path, error: Exception) -> InvalidInputError:
    """The error that a data pack cannot be opened."""
    reason = getattr(error, "strerror", None) or error
    return InvalidInputError(
        f"cannot open the data pack {path}: {reason}; docs/how-to/train.md describes the packs"
    )


def open_pack(folder: Path, name: str, free: bool = False) -> Pack:
    """Open the pack ``folder/name.zip``.

    Raises
    ------
    InvalidInputError
        If it is no pack, its labels are damaged, or it lacks images that they name; with ``free``,
        if the ledger of free sources does not have it.
    """
    path = folder / f"{name}.zip"
    try:
        archive = zipfile.ZipFile(io.BytesIO(free_ledger().read(path)) if free else path)
    except (OSError, zipfile.BadZipFile) as error:
        raise no_pack(path, error) from error
    files = archive.namelist()
    try:
        labels = read_labels(archive, path, 0.0 if name in FROM_CORNER else FROM_CENTRE)
    except Exception as error:  # zips, numpy and compression have each their own
        raise InvalidInputError(f"the labels of {path} are damaged: {error!r}") from error
    names = (
        [str(name) for name in labels["image"]]
        if "image" in labels
        else sorted(name for name in files if name.startswith("images/"))
    )
    if absent := set(names) - set(files):
        raise InvalidInputError(f"{path} lacks {len(absent)} of its images, as {min(absent)}")
    return Pack(name, archive, labels, names, free=free)


def split_groups(pack: Pack) -> NDArray[np.str_]:
    """For each image, the person, clip or photo that must not straddle the split."""
    if "group" not in pack.labels:
        return np.array(pack.image_names)
    groups = pack.labels["group"]
    if pack.name != HUMAN_PACK:
        return groups
    # Helen and AFW number the faces of one photo: 100040721_1, 100040721_2.
    sources = pack.labels["source"]
    return np.array(
        [
            group if source.startswith("lfpw") else re.sub(r"_\d+$", "", group)
            for group, source in zip(groups.tolist(), sources.tolist(), strict=True)
        ]
    )


def is_validation(pack: Pack) -> BoolArray:
    """For each image, whether it belongs to the validation split."""
    return np.array([validates(pack.name, str(group)) for group in split_groups(pack).tolist()])


def validates(database: str, group: str) -> bool:
    """Whether a group belongs to the validation split: a fifth of them, by their hash."""
    return zlib.crc32(f"{database}/{group}".encode()) % 1000 < 1000 * VALIDATION_SHARE


def columns_of(wanted: Sequence[str], names: NDArray[np.str_]) -> list[int]:
    """Where among the names of the teacher's scores the wanted ones stand.

    Raises
    ------
    InvalidInputError
        If one of them is not there.
    """
    column = {str(name): k for k, name in enumerate(names)}
    if absent := [name for name in wanted if name not in column]:
        raise InvalidInputError(f"the teacher's scores in a pack lack {', '.join(absent)}")
    return [column[name] for name in wanted]


def expression_scores(scores: FloatArray, names: NDArray[np.str_]) -> FloatArray:
    """The scores (N, 46) of `EXPRESSION_NAMES` from the teacher's 52 (N, 52).

    A blink of 1 is a shut eye, so the teacher's blinks are divided by `BLINK_WHEN_SHUT`.
    """
    pairs = {
        "browInnerUpLeft": ("browInnerUp",),
        "browInnerUpRight": ("browInnerUp",),
        "eyeLookUp": ("eyeLookUpLeft", "eyeLookUpRight"),
        "eyeLookDown": ("eyeLookDownLeft", "eyeLookDownRight"),
    }
    parts = [columns_of(pairs.get(name, (name,)), names) for name in EXPRESSION_NAMES]
    found = np.stack([np.mean([scores[:, k] for k in some], axis=0) for some in parts], axis=1)
    blinks = [EXPRESSION_NAMES.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    found[:, blinks] = np.minimum(found[:, blinks] / BLINK_WHEN_SHUT, 1)
    return found
