"""Learning the default face model from meshes with blendshape scores.

Each mesh is a similarity of ``mean + identity + sum_k score_k * shape_k``. The unknowns are
found in turn until they settle: poses by Procrustes, shapes by a ridge regression towards prior
shapes, and identity modes by a PCA, over people, of what remains. Every mesh also enters as its
mirror image, so that left and right shapes become mirror images.
"""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import Delaunay

from edgeface.errors import InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES, NUM_IDENTITY, FaceModel
from edgeface.face_model_import import from_ict_facekit
from edgeface.reference.data.ledger import free_ledger
from edgeface.reference.data.packs import RESEARCH, Sources
from edgeface.reference.face_model.agreed_map import agreed_map
from edgeface.reference.face_model.corpus import mirrored_scores, read_corpus
from edgeface.reference.face_model.ict import places_on_ict
from edgeface.reference.face_model.landmark_map import learn_landmark_map
from edgeface.reference.face_model.lid_edges import lids_on_edges, shutting
from edgeface.reference.face_model.transfer import transferred_expressions
from edgeface.reference.geometry.alignment import (
    EXPRESSION_MIRROR,
    align,
    mirror_permutation,
    mirrored,
    rigid_mean,
    similarity,
)
from edgeface.reference.geometry.lids import BLINKS
from edgeface.reference.geometry.pose import yaw_from_rotation
from edgeface.types import FloatArray, IntArray

RESEARCH_TERMS = "research use only: learned from data with such terms"
FREE_TERMS = "any use: learned from sources of the ledger of free sources alone (NOTICE: CC BY 4.0)"
NUM_ROUNDS = 6
RIDGE = 12.0
"""The weight of the prior shapes, in the unit of a score's sum of squares over the corpus."""
TIERS = tuple(
    tuple(EXPRESSION_NAMES.index(name) for name in names)
    for names in (
        ("eyeBlinkLeft", "eyeBlinkRight", "eyeLookDown", "jawOpen", "mouthPucker"),
        ("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight",
         "mouthLowerDownLeft", "mouthLowerDownRight"),
    )
)  # fmt: skip
"""The shapes that move most of a face. The first tier explains the meshes, the second what the
first leaves, and all other shapes the rest. If all were found at once, milder scores that always
come along (a squint with a blink) would take a share, and the shape alone would move two thirds of
what meshes of score 1 show."""
SMILES = list(TIERS[1])
"""The shapes that portraits show often and strongly."""
PUCKER_RIDGE = 0.25
"""The weight of the prior of mouthPucker, relative to its score's sum of squares. The teacher's
score also fires on ordinary closed lips, and would teach a pucker that hardly moves."""
OFF_MASK = 0.04
"""How far a shape may differ from its prior outside its region, relative to inside."""

PARTED = 0.5
"""How far the jaw opens before the mesh's triangles are chosen."""

# Contours of the teacher's mesh whose inside is a hole.
HOLES = (
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
)


def learn(folder: Path, sources: Sources = RESEARCH) -> FaceModel:
    """Learn a face model from the training split of the packs in ``folder``.

    From all packs it is the default one. From those that anyone may use, the mean and the identity
    modes are learned from their portraits, and the expressions are ICT-FaceKit's: portraits show
    few.
    """
    corpus = read_corpus(folder, sources=sources)
    mean, weights = rigid_mean(corpus.meshes)
    permutation, mean = mirror_permutation(mean)
    weights = (weights + weights[permutation]) / 2
    # up is y: the mean came out in the frame of the first mesh
    mean = _upright(mean, corpus.meshes, weights)
    _, rotation, _ = similarity(corpus.labelled_meshes * [1, -1, -1], mean, weights)
    vertices, shares = learn_landmark_map(
        corpus.labelled_meshes, corpus.landmarks, yaw_from_rotation(rotation), permutation
    )

    def landmarks_of(shapes: FloatArray) -> FloatArray:
        return np.einsum("...lkc,lk->...lc", shapes[..., vertices, :], shares)

    mean = _unit(mean, landmarks_of(mean))
    prior = _prior_shapes(folder, mean, landmarks_of(mean), permutation, sources)

    meshes = np.concatenate([corpus.meshes, mirrored(corpus.meshes, permutation)])
    scores = np.concatenate([corpus.scores, mirrored_scores(corpus.scores)])
    names = np.concatenate([corpus.person, np.char.add(corpus.person, "~")])
    person = np.unique(names, return_inverse=True)[1]
    shapes, modes = prior, np.zeros((NUM_IDENTITY - 1, *mean.shape))
    prediction = np.broadcast_to(mean, meshes.shape)
    for _ in range(NUM_ROUNDS):
        aligned = align(meshes, prediction, weights)
        identity = _identity_part(aligned - mean - np.tensordot(scores, shapes, 1), modes, person)
        learned = _portrait_shapes if sources.free else _regress_shapes
        mean, shapes = learned(aligned - identity, scores, prior)
        mean = _unit(mean, landmarks_of(mean))
        residual = aligned - mean - np.tensordot(scores, shapes, 1)
        modes = _identity_modes(residual, person)
        identity = _identity_part(residual, modes, person)
        prediction = mean + identity + np.tensordot(scores, shapes, 1)
    if sources.free:
        shapes = shutting(shapes, mean, permutation, landmarks_of)
    halves = (mean, modes, shapes)
    mean, modes, shapes = (a.astype(np.float16).astype(np.float32) for a in halves)
    triangles, uv = _surface(mean, mean + PARTED * shapes[EXPRESSION_NAMES.index("jawOpen")])
    if sources.free:
        # last, so that coefficients mean the same under either map
        ict = _read_ict(folder, sources)
        people = corpus.labelled_meshes, corpus.landmarks
        shut = mean + shapes[BLINKS[0]]
        learned = lids_on_edges((vertices, shares), *people, mean, shut, permutation)
        vertices, shares = agreed_map(mean, triangles, permutation, learned, ict)
    return FaceModel(
        identity=np.concatenate([mean[None], modes]),
        expression=shapes,
        landmark_vertices=vertices,
        landmark_weights=shares,
        triangles=triangles,
        uv=uv,
        info={
            "name": "edgeface free" if sources.free else "edgeface default",
            "num_meshes": len(corpus.meshes),
            "num_people": len(np.unique(corpus.person)),
            "licence": FREE_TERMS if sources.free else RESEARCH_TERMS,
        },
    )


def _upright(mean: FloatArray, meshes: FloatArray, weights: FloatArray) -> FloatArray:
    """Turn the symmetric mean about x so that the average head looks straight ahead."""
    _, rotation, _ = similarity(np.broadcast_to(mean, meshes.shape), meshes, weights)
    u, _, vt = np.linalg.svd(rotation.mean(axis=0))
    average = u @ vt
    angle = np.arctan2(average[2, 1] - average[1, 2], average[1, 1] + average[2, 2])
    c, s = np.cos(angle), np.sin(angle)
    return mean @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T


def _unit(mean: FloatArray, landmarks: FloatArray) -> FloatArray:
    """Scale and move the mean: outer eye distance 1, origin at the landmarks' centroid."""
    return (mean - landmarks.mean(axis=0)) / np.linalg.norm(landmarks[45] - landmarks[36])


def _prior_shapes(
    folder: Path, mean: FloatArray, landmarks: FloatArray, permutation: IntArray, sources: Sources
) -> FloatArray:
    """The expressions of ICT-FaceKit at the learned vertices, made exactly symmetric.

    They decide where a shape may act. They are the shapes whose scores the teacher never moves
    (cheekPuff, cheekSquint, noseSneer, jawForward).
    """
    ict = _read_ict(folder, sources)
    if sources.free:
        prior = places_on_ict(ict, mean, landmarks)(ict.expression.astype(np.float64))
    else:
        prior = transferred_expressions(ict, mean, landmarks)
    return (prior + mirrored(prior[EXPRESSION_MIRROR], permutation)) / 2


def _read_ict(folder: Path, sources: Sources) -> FaceModel:
    path = folder / "ict_facekit_light.npz"
    if not path.is_file():
        raise InvalidInputError(f"the learner needs ICT-FaceKit as its prior: {path} is absent")
    if sources.free:
        free_ledger().read(path)
    return from_ict_facekit(path)


def _portrait_shapes(
    targets: FloatArray, scores: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The mean and the shapes that portraits show; all others stay as their priors are."""
    size = np.linalg.norm(prior[SMILES], axis=2)
    mask = np.clip(size / (0.25 * size.max(axis=1, keepdims=True)), OFF_MASK, 1.0)
    others = np.setdiff1d(np.arange(len(prior)), SMILES)
    left = targets - np.tensordot(scores[:, others], prior[others], 1)
    shapes = prior.copy()
    mean, shapes[SMILES] = _ridge(left, scores[:, SMILES], prior[SMILES], RIDGE / mask**2)
    return mean, shapes


def _regress_shapes(
    targets: FloatArray, scores: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The mean (V, 3) and shapes (46, V, 3) that explain targets (N, V, 3) by scores (N, 46).

    Each of the `TIERS` explains what those before it leave.
    """
    size = np.linalg.norm(prior, axis=2)
    mask = np.clip(size / (0.25 * size.max(axis=1, keepdims=True)), OFF_MASK, 1.0)
    strength = np.full(len(prior), RIDGE)
    pucker = EXPRESSION_NAMES.index("mouthPucker")
    strength[pucker] = PUCKER_RIDGE * np.sum(scores[:, pucker] ** 2)
    penalty = strength[:, None] / mask**2
    shapes, left = np.empty_like(prior), targets
    mean = np.zeros(prior.shape[1:])
    others = np.setdiff1d(np.arange(len(prior)), np.concatenate(TIERS))
    for part in (*map(np.array, TIERS), others):
        mean, shapes[part] = _ridge(left, scores[:, part], prior[part], penalty[part])
        left = left - np.tensordot(scores[:, part], shapes[part], 1)
    return mean, shapes


def _ridge(
    targets: FloatArray, scores: FloatArray, prior: FloatArray, penalty: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean (V, 3) and shapes (K, V, 3) by ridge regression of targets (N, V, 3) on scores (N, K).

    Minimises, for every vertex v, ``sum_n |t_nv - m_v - sum_k s_nk B_kv|^2 +
    sum_k penalty_kv |B_kv - P_kv|^2`` with the prior P.
    """
    design = np.concatenate([np.ones((len(scores), 1)), scores], axis=1)
    gram = design.T @ design
    right = np.tensordot(design.T, targets, 1)  # (1 + K, V, 3)
    penalty = np.concatenate([np.zeros((1, penalty.shape[1])), penalty])
    prior = np.concatenate([np.zeros((1, *prior.shape[1:])), prior])
    systems = gram[None] + np.eye(len(gram)) * penalty.T[:, None]
    solution = np.linalg.solve(systems, (right + penalty[..., None] * prior).transpose(1, 0, 2))
    return solution[:, 0], solution[:, 1:].transpose(1, 0, 2)


def _person_means(residual: FloatArray, person: IntArray) -> FloatArray:
    """The mean residuals (P, 3 V) of people, of those (N, V, 3) of meshes of people by number."""
    share = 1 / np.bincount(person)[person]
    membership = csr_matrix((share, (person, np.arange(len(person)))))
    return np.asarray(membership @ residual.reshape(len(residual), -1))


def _identity_modes(residual: FloatArray, person: IntArray) -> FloatArray:
    """The 49 principal modes (49, V, 3) of people's mean residuals, a standard deviation each."""
    flat = _person_means(residual, person)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    top = np.argsort(values)[::-1][: NUM_IDENTITY - 1]
    modes = vectors[:, top].T * np.sqrt(values[top])[:, None]
    modes *= np.sign(modes.sum(axis=1, keepdims=True) + 1e-12)
    return modes.reshape(NUM_IDENTITY - 1, *residual.shape[1:])


def _identity_part(residual: FloatArray, modes: FloatArray, person: IntArray) -> FloatArray:
    """Each person's mean residual, projected onto the modes and shrunk to its posterior mean."""
    if not modes.any():
        return np.zeros_like(residual)
    means = _person_means(residual, person)
    flat = modes.reshape(len(modes), -1)
    squared: FloatArray = np.sum(flat**2, axis=1)
    noise = 0.1 * np.mean(squared)
    gram = flat @ flat.T + noise * np.eye(len(flat)) * 0.01
    coefficients = np.linalg.solve(gram, flat @ means.T).T
    return (coefficients @ flat)[person].reshape(residual.shape)


def _surface(mean: FloatArray, parted: FloatArray) -> tuple[IntArray, FloatArray]:
    """Triangles (T, 3), counter-clockwise seen from outside, and cylindrical UV (V, 2).

    Triangles join what is near on the face with parted lips. Where shut lips touch, some would join
    one to the other, and show as fangs in a smile.
    """
    plane, opened = _unrolled(mean), _unrolled(parted)
    triangles = Delaunay(opened).simplices
    a, b, c = (opened[triangles[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    triangles[area < 0] = triangles[area < 0][:, ::-1]
    in_hole = np.any([np.isin(triangles, hole).all(axis=1) for hole in HOLES], axis=0)
    edges = np.max([np.linalg.norm(p - q, axis=1) for p, q in ((a, b), (b, c), (c, a))], axis=0)
    sliver = np.abs(area) / edges**2 < 0.02
    uv = (plane - plane.min(axis=0)) / np.ptp(plane, axis=0)
    kept = triangles[~in_hole & ~sliver].astype(np.int32)
    return kept, uv.astype(np.float16).astype(np.float32)


def _unrolled(points: FloatArray) -> FloatArray:
    """Points (V, 3) on a cylinder about the head, unrolled, (V, 2)."""
    depth = points[:, 2] - points[:, 2].min() + 0.35
    return np.stack([np.arctan2(points[:, 0], depth), points[:, 1]], axis=1)
