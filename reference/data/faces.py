"""Single faces: crops with fitted 3DMM labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel, default_face_model
from edgeface.gaze import LOOKS
from edgeface.reference.data.fits import known_fit_of_landmarks, known_fit_of_meshes
from edgeface.reference.data.packs import (
    FREE_HUMAN_PACK,
    HUMAN_PACK,
    RESEARCH,
    Pack,
    Sources,
    columns_of,
    is_validation,
    nothing_in_split,
    open_pack,
    show_face,
    single_face_packs,
)
from edgeface.reference.data.targets import Targets, concatenate, from_fit
from edgeface.reference.geometry.alignment import mapped_landmarks
from edgeface.reference.geometry.fit import Fit
from edgeface.reference.geometry.lids import as_people_shut, with_shut_lids
from edgeface.types import BoolArray, FloatArray, ImageArray, IntArray


@dataclass(frozen=True)
class FaceSet:
    """N crops of single faces with their labels.

    Attributes
    ----------
    crops : uint8, shape (N, H, W, 3), RGB; 256 x 256 in the packs of the weights that ship
    targets : what a network should say of each face
    labelled : (N, 68, 2), the points that people placed, NaN where nobody did
    meshes : (N, 468, 3), the teacher's vertices, z towards the back, NaN where it saw no face
    scores : (N, 46), the teacher's expressions, NaN where it saw no face
    looks : (N, 8), the teacher's scores by `edgeface.gaze.LOOKS`
    pack : (N,), the name of the pack that each face is from
    fit : the face model fitted to the faces
    skipped : the names of corrupt images
    """

    crops: ImageArray
    targets: Targets
    labelled: FloatArray
    meshes: FloatArray
    scores: FloatArray
    looks: FloatArray
    pack: NDArray[np.str_]
    fit: Fit
    skipped: list[str]


def read_faces(
    folder: Path, model: FaceModel, validation: bool, sources: Sources = RESEARCH
) -> FaceSet:
    """Read all faces of one split of the single-face packs; ``model`` is fitted to them."""
    packs = [open_pack(folder, n, sources.free) for n in single_face_packs(folder, sources)]
    parts = [read_face_pack(pack, model, validation) for pack in packs]
    _check_sizes(
        {f"the pack {p.name}": part.crops[0] for p, part in zip(packs, parts, strict=True)}
    )
    return FaceSet(
        crops=np.concatenate([p.crops for p in parts]),
        targets=concatenate([p.targets for p in parts]),
        labelled=np.concatenate([p.labelled for p in parts]),
        meshes=np.concatenate([p.meshes for p in parts]),
        scores=np.concatenate([p.scores for p in parts]),
        looks=np.concatenate([p.looks for p in parts]),
        pack=np.concatenate([p.pack for p in parts]),
        fit=Fit.concatenate([p.fit for p in parts]),
        skipped=[name for p in parts for name in p.skipped],
    )


def _check_sizes(crops: dict[str, ImageArray]) -> None:
    """Raise `InvalidInputError` unless all crops, by what they are called, have one size."""
    first, *others = crops
    for name in others:
        if crops[name].shape != crops[first].shape:
            sizes = [" x ".join(map(str, crops[n].shape[1::-1])) for n in (first, name)]
            raise InvalidInputError(
                f"crops of faces must have one size, but {first} has {sizes[0]} pixels and {name} "
                f"has {sizes[1]}"
            )


def read_face_pack(pack: Pack, model: FaceModel, validation: bool) -> FaceSet:
    """Read the faces of one split of one single-face pack; ``model`` is fitted to them.

    In `HUMAN_PACK`, people placed the landmarks. Elsewhere they are those of the teacher's mesh by
    the default map, with lids that shut as people see them, since the 68 points of
    ``faces68-video`` are biased and do not follow the lids (`docs/explanation/labels.md`). Packs
    that were opened for a free run take neither the default map nor those lids, which 300-W taught:
    their landmarks are by the map of ``model``, also where people placed points, which lie
    otherwise than the 68 do elsewhere.
    """
    has_mesh = pack.has_mesh
    usable, human = has_mesh, pack.name in (HUMAN_PACK, FREE_HUMAN_PACK)
    if human and not pack.free:  # of a free pack only meshes count
        usable = has_mesh | show_face(pack.labels["landmarks68"])
    wanted = np.flatnonzero(usable & (is_validation(pack) == validation))
    decoded = list(pack.images(wanted))
    if not decoded:
        raise nothing_in_split(f"face of the pack {pack.name}", validation)
    index = np.array([i for i, _ in decoded])
    _check_sizes({f"{pack.image_names[i]} in the pack {pack.name}": px for i, px in decoded})
    crops = np.stack([pixels for _, pixels in decoded])
    labelled = np.full((len(index), 68, 2), np.nan, np.float32)
    if human:
        labelled = pack.labels["landmarks68"][index]
        labelled[~show_face(labelled)] = np.nan
    meshes, scores = pack.labels["mesh"][index], pack.scores(index)
    meshes[~has_mesh[index]] = scores[~has_mesh[index]] = np.nan
    targets, fit = _fit_pack(pack, model, index, meshes, scores, labelled)
    return FaceSet(
        crops=crops,
        targets=targets,
        labelled=labelled,
        meshes=meshes,
        scores=scores,
        looks=_looks(pack)[index],
        pack=np.full(len(index), pack.name),
        fit=fit,
        skipped=list(pack.skipped),
    )


def _looks(pack: Pack) -> FloatArray:
    """The teacher's scores (N, 8) of where eyes look, by `LOOKS`."""
    return pack.labels["blendshapes52"][:, columns_of(LOOKS, pack.labels["blendshape_names"])]


def _fit_pack(
    pack: Pack,
    model: FaceModel,
    index: IntArray,
    meshes: FloatArray,
    scores: FloatArray,
    labelled: FloatArray,
) -> tuple[Targets, Fit]:
    """Fit the model to the meshes where there are any, and to the labelled points elsewhere."""
    has_mesh: BoolArray = np.asarray(np.isfinite(meshes).all(axis=(1, 2)))
    order = np.concatenate([np.flatnonzero(has_mesh), np.flatnonzero(~has_mesh)])
    fits: list[Fit] = []
    if has_mesh.any():
        fits.append(known_fit_of_meshes(model, meshes[has_mesh], scores[has_mesh]))
    if not has_mesh.all():
        fits.append(known_fit_of_landmarks(model, labelled[~has_mesh]))
    fit = Fit.concatenate(fits)[np.argsort(order)]
    landmarks = teacher_landmarks(pack, meshes, model)
    people = np.asarray(np.isfinite(labelled).all(axis=(1, 2))) & (not pack.free)
    landmarks = np.where(people[:, None, None], labelled, landmarks)
    fit = with_shut_lids(fit, model, landmarks)
    return from_fit(fit, model, landmarks, pack.labels["irises"][index]), fit


def teacher_landmarks(pack: Pack, meshes: FloatArray, model: FaceModel) -> FloatArray:
    """The landmarks (N, 68, 2) of a pack's meshes (N, 468, 3), as `read_face_pack` says."""
    if pack.free:
        return mapped_landmarks(meshes[..., :2], model)
    return as_people_shut(mapped_landmarks(meshes[..., :2], default_face_model()))
