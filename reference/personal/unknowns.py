"""What is unknown of a person and their frames, and where in the camera it puts the face.

The unknowns are tensors by name: those of `Person`, the maps of which a correction is the sum
(``"neutral 32"``), and, with a row a frame, ``turn`` (B, 3), a rotation vector on top of the
frames' own rotation, ``translation`` (B, 3), ``logits`` (B, K) of the expression, ``light``
(B, 9, 3) and ``shadow`` (B, 1, S, S).
"""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from edgeface.reference.personal.frames import Frames
from edgeface.reference.personal.person import SHAPE_MAP, Blendshapes, Person, Surface
from edgeface.reference.personal.render import Camera, ambient_light
from edgeface.reference.personal.schedule import CORRECTIONS, LEVELS
from edgeface.reference.personal.shadow import SHADOW_MAP

FOCAL_OF_SIDE = 1015 / 224
"""The assumed focal length in sides of the crop, as in Deng et al. 2019."""
TO_CAMERA = torch.tensor([1.0, -1.0, -1.0])
"""From the ``model`` axes to the camera's: half a turn about x."""
PER_FRAME = ("turn", "translation", "logits", "light", "shadow")


def start_of(frames: Frames, person: Person, surface: Surface) -> dict[str, Tensor]:
    """The unknowns to start from: a person, and the frames' own expressions and rotations."""
    start = frames.expression.clamp(0.02, 0.98)
    unknowns = {name: tensor.clone() for name, tensor in person.tensors().items()}
    for name in CORRECTIONS:
        lead = unknowns[name].shape[:-2]
        unknowns |= {part: torch.zeros(*lead, side, side) for part, side in _levels(name)}
    unknowns["turn"] = torch.zeros(len(frames), 3)
    unknowns["logits"] = torch.logit(start)
    unknowns["light"] = ambient_light(len(frames), 0.9)
    unknowns["shadow"] = torch.zeros(len(frames), 1, SHADOW_MAP, SHADOW_MAP)
    unknowns["translation"] = _placed(frames, surface)
    return unknowns


def parts_of(name: str) -> list[str]:
    """The tensors that an unknown of a stage consists of."""
    return [part for part, _ in _levels(name)] if name in CORRECTIONS else [name]


def person_of(unknowns: dict[str, Tensor]) -> Person:
    """The person that the unknowns say."""
    values = {f.name: unknowns[f.name] for f in fields(Person)}
    for name in CORRECTIONS:
        parts = [unknowns[p] for p in parts_of(name)]
        if any(part.requires_grad or part.any() for part in parts):
            values[name] = values[name] + sum(_enlarged(part) for part in parts)
    return Person(**values)


def motion_of(frames: Frames, unknowns: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Rotation (B, 3, 3), translation (B, 3) and expression (B, K) of each frame; see `Fit`."""
    turned = torch.linalg.matrix_exp(_cross_matrix(unknowns["turn"])) @ frames.rotation
    rotation = TO_CAMERA[:, None] * turned
    return rotation, unknowns["translation"], torch.sigmoid(unknowns["logits"])


def camera_of(frames: Frames) -> Camera:
    """The camera that is assumed of crops of a size."""
    side = frames.images.shape[1]
    return Camera((side, side), FOCAL_OF_SIDE * side)


def in_camera(
    shapes: Blendshapes, rotation: Tensor, translation: Tensor, expression: Tensor
) -> Tensor:
    """The vertices (B, V, 3) of a person who moves so, in the camera's axes."""
    return shapes.posed(expression) @ rotation.transpose(1, 2) + translation[:, None]


def _placed(frames: Frames, surface: Surface) -> Tensor:
    """Translations that put the neutral face where the landmarks are, by size and centre."""
    camera = camera_of(frames)
    points = surface.neutral[surface.landmarks] @ frames.rotation.transpose(1, 2)
    points = points * TO_CAMERA
    flat = points[..., :2] - points[..., :2].mean(1, keepdim=True)
    seen = frames.landmarks - frames.landmarks.mean(1, keepdim=True)
    scale = (flat * seen).sum((1, 2)) / flat.square().sum((1, 2))
    depth = camera.focal_px / scale.clamp(min=1e-3)
    centre = frames.landmarks.mean(1) - frames.images.shape[1] / 2
    place = centre * (depth / camera.focal_px)[:, None]
    middle = points.mean(1)
    return torch.cat([place - middle[:, :2], (depth - middle[:, 2])[:, None]], dim=1)


def _levels(name: str) -> list[tuple[str, int]]:
    """The unknowns that a correction is the sum of, and the sides of their maps."""
    return [(f"{name} {side}", side) for side in LEVELS]


def _enlarged(maps: Tensor) -> Tensor:
    """Maps (..., S, S) at the size of a correction, bilinear."""
    size = (SHAPE_MAP, SHAPE_MAP)
    stack = maps.reshape(-1, 3, *maps.shape[-2:])
    fine = interpolate(stack, size=size, mode="bilinear", align_corners=False)
    return fine.reshape(*maps.shape[:-2], *size)


def _cross_matrix(vectors: Tensor) -> Tensor:
    """The matrices (B, 3, 3) of the products with vectors (B, 3)."""
    zero = torch.zeros_like(vectors[:, 0])
    x, y, z = vectors.unbind(1)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
