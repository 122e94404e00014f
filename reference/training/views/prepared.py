"""Preparing a split of the packs: its pictures go to an atlas, faces are fitted, all is kept."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.face_model import FaceModel
from edgeface.reference.data.cache import (
    archive_digest,
    cache_folder,
    digest,
    keeping,
    read_arrays,
    save_arrays,
)
from edgeface.reference.data.faces import FaceSet, read_faces
from edgeface.reference.data.packs import RESEARCH, Sources, photo_packs, single_face_packs
from edgeface.reference.data.photos import Photo, read_photos
from edgeface.reference.data.targets import Targets
from edgeface.reference.training.views.atlas import Atlas, build_atlas, open_atlas, write_atlas
from edgeface.reference.training.views.masks import masked
from edgeface.reference.training.views.pools import Pool, gather
from edgeface.reference.training.views.rarity import draw_shares
from edgeface.reference.training.views.synthesis import add_turned, reexpressed
from edgeface.types import AnyArray, FloatArray, ImageArray, IntArray

log = logging.getLogger(__name__)

REFERENCE = Path(__file__).parents[2]
POOLS = ("faces", "masked", "photos", "empty")
KEPT = 3
"""The number of splits kept on disk; of more, those unused for the longest time are removed."""
SHARE_MASKED = 0.25
"""The share of the faces that have a copy with a mask, in training."""
SHARE_REEXPRESSED = 0.5
"""The share of the faces that have a copy with another expression, if copies are wanted."""


@dataclass(frozen=True)
class Prepared:
    """What views of one split are planned from and drawn from.

    Attributes
    ----------
    faces : pictures of one face each, the copies last
    masked : pictures of some of these faces with a mask
    photos : pictures of any number of faces
    empty : pictures without faces
    copies : for each face, the row in ``faces`` of its copy with another expression, or -1; empty
        if copies were not wanted
    shares : (N,), the probability of drawing each of the faces; copies with another expression have
        none
    scores : (N, 46), the teacher's expressions of all faces, NaN where it saw none
    skipped : the names of corrupt images
    """

    atlas: Atlas
    faces: Pool
    masked: Pool
    photos: Pool
    empty: Pool
    copies: IntArray
    shares: FloatArray
    scores: FloatArray
    skipped: list[str]


@dataclass(frozen=True)
class Wanted:
    """What a split shall hold.

    Attributes
    ----------
    validation : whether it is the validation split
    photos : whether it has whole photos beside single faces
    turned : the number of copies turned in 3D, as a share of the faces
    copies : whether faces have copies with another expression
    seed : the seed by which faces to be copied are drawn
    sources : which packs it is read from
    """

    validation: bool
    photos: bool
    turned: float = 0.0
    copies: bool = False
    seed: int = 0
    sources: Sources = RESEARCH


Relabel = Callable[[list[Photo]], list[Photo]]


def prepare(
    folder: Path, model: FaceModel, wanted: Wanted, labels: str = "", relabel: Relabel = list
) -> Prepared:
    """Prepare one split of the packs of a folder, or find it as it was prepared before.

    Parameters
    ----------
    relabel : a function that changes what is known of the photos' faces
    labels : a name for what it does, so that splits that it changed otherwise are told apart

    Notes
    -----
    A kept split is found by the packs' contents, the face model, ``wanted``, ``labels`` and the
    source of everything that takes part: a change of any of them makes a new split.
    """
    place = cache_folder() / f"split-{_key(folder, model, wanted, labels)}"
    if (arrays := read_arrays(place / "arrays.npz")) is not None:
        os.utime(place)
        log.info("%s pictures prepared in an earlier run", len(arrays["offset"]))
        return _assembled(arrays, open_atlas(place / "pixels", arrays["offset"], arrays["shape"]))
    log.info("reading the packs in %s", folder)
    arrays, pictures = _read(folder, model, wanted, relabel)
    log.info("writing %d pictures and their half-size copies", len(pictures))
    with keeping(place) as temporary:
        try:
            temporary.mkdir()
            offset, shape = write_atlas(pictures, temporary / "pixels")
            arrays |= {"offset": offset, "shape": shape}
            save_arrays(temporary / "arrays.npz", arrays)
        except OSError as error:  # a full disk: the run does without
            log.warning("cannot keep what was prepared: %s", error)
            return _assembled(arrays, build_atlas(pictures))
    _forget_old(place)
    if not place.is_dir():
        return _assembled(arrays, build_atlas(pictures))
    return _assembled(arrays, open_atlas(place / "pixels", offset, shape))


def _key(folder: Path, model: FaceModel, wanted: Wanted, labels: str) -> str:
    packs = [*single_face_packs(folder, wanted.sources)]
    packs += photo_packs(folder, wanted.sources) if wanted.photos else ()
    sources = [path for room in ("data", "geometry", "training/views")
               for path in sorted((REFERENCE / room).glob("*.py"))]  # fmt: skip
    contents = [archive_digest(folder / f"{name}.zip") for name in packs]
    return digest(contents, model.sha256, wanted, labels, *sources)


def _read(
    folder: Path, model: FaceModel, wanted: Wanted, relabel: Relabel
) -> tuple[dict[str, AnyArray], list[ImageArray]]:
    faces = read_faces(folder, model, wanted.validation, wanted.sources)
    scores = [faces.scores]
    if wanted.turned:
        log.info("turning copies of %d %% of the faces", round(100 * wanted.turned))
        faces = add_turned(faces, model, wanted.turned, wanted.seed)
    pictures = list(faces.crops)
    targets = [faces.targets[i : i + 1] for i in range(len(pictures))]
    copies = np.zeros(0, int)
    if wanted.copies:
        log.info("copying faces with other expressions")
        copies = np.full(len(pictures), -1)
        for row, (pixels, changed) in _reexpressed(faces, model, wanted.seed):
            copies[row] = len(pictures)
            pictures.append(pixels)
            targets.append(changed)
    photos, empty, skipped = [], [], list(faces.skipped)
    if wanted.photos:
        photos, empty, unreadable = read_photos(folder, model, wanted.validation, wanted.sources)
        scores += [photo.scores for photo in photos]
        photos, skipped = relabel(photos), unreadable + skipped
    groups = {"faces": gather([p.shape for p in pictures], targets, 0)}
    worn, whose = [], []
    if not wanted.validation:
        worn, whose = _masked(faces, wanted.seed)
    groups["masked"] = gather([p.shape for p in worn], whose, len(pictures))
    pictures += worn
    for name, some in (("photos", photos), ("empty", empty)):
        shapes = [photo.pixels.shape for photo in some]
        groups[name] = gather(shapes, [photo.targets for photo in some], len(pictures))
        pictures += [photo.pixels for photo in some]
    arrays = {"copies": copies, "scores": np.concatenate(scores)}
    arrays["shares"] = draw_shares(faces.targets, model.expression_names, faces.pack)
    arrays["skipped"] = np.array(skipped, np.str_)
    for name, pool in groups.items():
        arrays |= pool.to_arrays(name)
    return arrays, pictures


def _masked(faces: FaceSet, seed: int) -> tuple[list[ImageArray], list[Targets]]:
    """Copies of some of the faces with masks, and their targets."""
    random = np.random.default_rng(seed)
    rows = random.choice(
        len(faces.crops), round(SHARE_MASKED * len(faces.crops)), replace=False
    ).tolist()
    targets = [faces.targets[row : row + 1] for row in rows]
    worn = [masked(faces.crops[row], t.landmarks[0], random)
            for row, t in zip(rows, targets, strict=True)]  # fmt: skip
    return worn, targets


def _reexpressed(
    faces: FaceSet, model: FaceModel, seed: int
) -> Iterator[tuple[int, tuple[ImageArray, Targets]]]:
    """Copies of some of the faces with another expression, and the row of each one's face."""
    random = np.random.default_rng(seed)
    count = round(SHARE_REEXPRESSED * len(faces.crops))
    for row in np.sort(random.choice(len(faces.crops), count, replace=False)).tolist():
        one = slice(row, row + 1)
        yield row, reexpressed(faces.crops[row], faces.targets[one], faces.fit[one], model, random)


def _assembled(arrays: dict[str, AnyArray], atlas: Atlas) -> Prepared:
    pools = {name: Pool.from_arrays(arrays, name) for name in POOLS}
    return Prepared(
        atlas,
        **pools,
        copies=arrays["copies"],
        shares=arrays["shares"],
        scores=arrays["scores"],
        skipped=arrays["skipped"].tolist(),
    )


def _forget_old(newest: Path) -> None:
    """Remove splits beyond `KEPT`; a run that draws from one keeps its file open."""
    splits = sorted(newest.parent.glob("split-*"), key=lambda path: path.stat().st_mtime)
    for path in splits[:-KEPT]:
        if path != newest:
            shutil.rmtree(path, ignore_errors=True)
