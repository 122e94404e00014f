"""The meshes with scores that a face model is learned from, as the data packs have them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeface.reference.data.packs import (
    FREE_HUMAN_PACK,
    HUMAN_PACK,
    RESEARCH,
    Pack,
    Sources,
    is_validation,
    open_pack,
    show_face,
    single_face_packs,
    split_groups,
)
from edgeface.reference.geometry.alignment import EXPRESSION_MIRROR, to_model_axes
from edgeface.types import FloatArray, IntArray


@dataclass(frozen=True)
class Corpus:
    """What is learned from: N meshes with scores, and the M of them that people labelled."""

    meshes: FloatArray  # (N, V, 3), ``model`` axes
    scores: FloatArray  # (N, 46)
    person: NDArray[np.str_]  # (N,)
    labelled_meshes: FloatArray  # (M, V, 3), ``image_px``
    landmarks: FloatArray  # (M, 68, 2), ``image_px``


def mirrored_scores(scores: FloatArray) -> FloatArray:
    """The scores (..., 46) of the mirror image."""
    return scores[..., EXPRESSION_MIRROR]


def read_corpus(folder: Path, validation: bool = False, sources: Sources = RESEARCH) -> Corpus:
    """Read the meshes of the single-face packs, of the training or of the validation split.

    Of the packs that anyone may use, those of photos alone: rendered people have ICT-FaceKit's
    shapes.
    """
    parts: list[tuple[Pack, IntArray]] = []
    for name in sources.faces if sources.free else single_face_packs(folder):
        pack = open_pack(folder, name, sources.free)
        good = pack.has_mesh
        parts.append((pack, np.flatnonzero((is_validation(pack) == validation) & good)))
    labelled = [(p, i[show_face(p.labels["landmarks68"])[i]]) for p, i in parts
                if p.name in (HUMAN_PACK, FREE_HUMAN_PACK)]  # fmt: skip
    return Corpus(
        meshes=to_model_axes(np.concatenate([p.labels["mesh"][i] for p, i in parts])),
        scores=np.concatenate([p.scores(i) for p, i in parts]),
        person=np.concatenate([np.char.add(p.name, split_groups(p)[i]) for p, i in parts]),
        labelled_meshes=np.concatenate([p.labels["mesh"][i] for p, i in labelled]),
        landmarks=np.concatenate([p.labels["landmarks68"][i] for p, i in labelled]),
    )
