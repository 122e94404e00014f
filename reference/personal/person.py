"""A person in torch: the corrections that make the template theirs, and what they look like."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from edgeface.personal.template import REGIONS, Template
from edgeface.reference.personal.losses import soft_parts
from edgeface.reference.personal.template import parts_of_surface

SHAPE_MAP = 64
"""Side of the maps of shape corrections, texels: expressions survive the round trip by 0.016 mm."""
SKIN_MAP = 128
DYNAMIC_MAP = 64
PART_SPREAD_TEXELS = 2


class Surface:
    """The template as tensors: what does not change from person to person.

    Attributes
    ----------
    neutral, identity, expression, triangles, uv : as `Template` has them
    landmarks : int64, shape (68,); mesh : int64, shape (468,), vertices; -1 for none
    attention : float, shape (K, 1, 64, 64), in [0, 1]
    albedo : float, shape (3, 128, 128), in [0, 1]
    regions : uint8, shape (128, 128), the parts of the face as numbers of `REGIONS`. Those of the
        template that ships lie half a texel off; its file stays as it is, since personal models
        name it by its hash.
    parts : float, shape (4, 128, 128), the soft map ``T`` of Eq. 5
    """

    def __init__(self, template: Template) -> None:
        self.num_shapes = len(template.expression)
        self.neutral = torch.from_numpy(template.neutral)
        self.identity = torch.from_numpy(template.identity)
        self.expression = torch.from_numpy(template.expression)
        self.triangles = torch.from_numpy(template.triangles)
        self.uv = torch.from_numpy(template.uv)
        self.landmarks = torch.from_numpy(template.landmark_vertices).long()
        self.mesh = torch.from_numpy(template.mesh_vertices).long()
        attention = torch.from_numpy(template.attention).float()[:, None] / 255
        self.attention = _resized(attention, SHAPE_MAP)
        albedo = torch.from_numpy(template.albedo).permute(2, 0, 1).float() / 255
        self.albedo = _resized(albedo[None], SKIN_MAP)[0]
        covered = template.regions != REGIONS.index("none")
        self.regions = torch.from_numpy(
            parts_of_surface(template.uv, template.mesh_vertices, covered)
        )
        self.parts = soft_parts(self.regions[None], len(REGIONS), PART_SPREAD_TEXELS)[0]
        self.sampling = _bilinear(self.uv, SHAPE_MAP)

    def to(self, device: torch.device) -> Surface:
        """The same on another device."""
        moved = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(moved, name, value.to(device))
        return moved

    def at_vertices(self, maps: Tensor) -> Tensor:
        """``F``: maps (C, 64, 64) sampled at the vertices, bilinear, shape (V, C)."""
        return self.sampling @ maps.flatten(1).T

    def points(self) -> Surface:
        """The surface's landmarks and mesh points alone, which are quick to move."""
        kept = torch.unique(torch.cat([self.landmarks, self.mesh[self.mesh >= 0]]))
        part = copy(self)
        part.neutral, part.uv = self.neutral[kept], self.uv[kept]
        part.identity, part.expression = self.identity[:, kept], self.expression[:, kept]
        part.landmarks = torch.searchsorted(kept, self.landmarks)
        part.mesh = torch.where(self.mesh < 0, -1, torch.searchsorted(kept, self.mesh))
        part.sampling = _bilinear(part.uv, SHAPE_MAP)
        return part


@dataclass
class Person:
    """One person's corrections (2020, Sec. 3.2); lengths in the template's units.

    Attributes
    ----------
    identity : float, shape (I,); weights of the template's identity modes. The paper has none: its
        neutral correction carries the whole identity.
    neutral : float, shape (3, 64, 64); the map ``Delta_0^S``
    shapes : float, shape (K, 3, 64, 64); the maps ``Delta_i^S``, before the attention masks
    skin : float, shape (3, 128, 128); the map ``Delta_0^R``, of values in [0, 1]
    dynamic_skin : float, shape (K, 3, 64, 64); the maps ``Delta_i^R``, before the attention masks
    """

    identity: Tensor
    neutral: Tensor
    shapes: Tensor
    skin: Tensor
    dynamic_skin: Tensor

    @staticmethod
    def of_template(surface: Surface) -> Person:
        """Nobody's corrections: all zero."""
        k = surface.num_shapes
        return Person(
            torch.zeros(len(surface.identity)),
            torch.zeros(3, SHAPE_MAP, SHAPE_MAP),
            torch.zeros(k, 3, SHAPE_MAP, SHAPE_MAP),
            torch.zeros(3, SKIN_MAP, SKIN_MAP),
            torch.zeros(k, 3, DYNAMIC_MAP, DYNAMIC_MAP),
        )

    def tensors(self) -> dict[str, Tensor]:
        """The corrections by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Blendshapes:
    """A person's shapes at the vertices.

    Attributes
    ----------
    neutral : float, shape (V, 3)
    offsets : float, shape (K, V, 3); of the corrected blendshapes from the neutral shape
    neutral_correction : float, shape (V, 3); ``F(Delta_0^S)``
    corrections : float, shape (K, V, 3); ``F(A_i Delta_i^S)``
    """

    neutral: Tensor
    offsets: Tensor
    neutral_correction: Tensor
    corrections: Tensor

    def posed(self, weights: Tensor) -> Tensor:
        """``S`` of Eq. 1 for weights (B, K), shape (B, V, 3)."""
        return self.neutral + torch.tensordot(weights, self.offsets, dims=1)


def sample_corrections(surface: Surface, person: Person) -> Tensor:
    """``F`` of the neutral correction and of those of all blendshapes, shape (V, 3 + 3 K)."""
    masked = surface.attention * person.shapes
    return surface.at_vertices(torch.cat([person.neutral, masked.flatten(0, 1)]))


def blendshapes(surface: Surface, person: Person, sampled: Tensor | None = None) -> Blendshapes:
    """The shapes of Eq. 1: template, identity and corrections, sampled at the vertices.

    ``sampled`` are the person's corrections from `sample_corrections`, for whoever asks again while
    they stay as they are. With ``w_0 = 1 - sum(w)`` the paper's ``w_0 S_0 + sum w_i S_i`` is the
    neutral shape plus weighted offsets.
    """
    sampled = sample_corrections(surface, person) if sampled is None else sampled
    neutral_correction = sampled[:, :3]
    corrections = sampled[:, 3:].reshape(-1, surface.num_shapes, 3).transpose(0, 1)
    modes = torch.tensordot(person.identity, surface.identity, dims=1)
    neutral = surface.neutral + modes + neutral_correction
    return Blendshapes(neutral, surface.expression + corrections, neutral_correction, corrections)


def albedo(surface: Surface, person: Person, weights: Tensor) -> Tensor:
    """``R`` of Eq. 2 for weights (B, K), shape (B, 3, 128, 128)."""
    masked = surface.attention * person.dynamic_skin
    dynamic = torch.tensordot(weights, masked, dims=1)
    static = surface.albedo + person.skin
    return static + interpolate(dynamic, size=SKIN_MAP, mode="bilinear", align_corners=False)


def _bilinear(uv: Tensor, side: int) -> Tensor:
    """The sparse matrix (V, side * side) that samples a map at places (V, 2) between its texels."""
    place = (uv * side - 0.5).clamp(0, side - 1)
    low = place.long().clamp(max=side - 2)
    x, y = (place - low).unbind(1)
    first = low[:, 1] * side + low[:, 0]
    columns = torch.stack([first, first + 1, first + side, first + side + 1], dim=1)
    weights = torch.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], dim=1)
    rows = torch.arange(len(uv)).repeat_interleave(4)
    places = torch.stack([rows, columns.flatten()])
    size = (len(uv), side * side)
    return torch.sparse_coo_tensor(
        places, weights.flatten(), size, check_invariants=True
    ).coalesce()


def _resized(maps: Tensor, size: int) -> Tensor:
    if maps.shape[-1] == size:
        return maps
    return interpolate(maps, size=(size, size), mode="area")
