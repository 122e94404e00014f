"""Rendered people of known truth: faces, blendshapes and skins that no template has."""

# torch types its operations in part only, SciPy none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn.functional import interpolate

from edgeface.personal.template import UNIT_MM, Template
from edgeface.reference.personal.frames import SIDE_PX, Frames
from edgeface.reference.personal.person import (
    DYNAMIC_MAP,
    SHAPE_MAP,
    SKIN_MAP,
    Blendshapes,
    Person,
    Surface,
    albedo,
    blendshapes,
)
from edgeface.reference.personal.render import Camera, ambient_light, render
from edgeface.reference.personal.unknowns import FOCAL_OF_SIDE, TO_CAMERA

IDENTITY_SPREAD = 0.8
NEUTRAL_MM = 1.0
SHAPE_MM = 1.6
SKIN_SPREAD = 0.12
DYNAMIC_SPREAD = 0.06
ACTIVE = (
    "browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R", "eyeBlink_L", "eyeBlink_R",
    "jawOpen",
    "mouthSmile_L", "mouthSmile_R", "mouthPucker", "mouthFunnel", "mouthLeft", "mouthRight",
    "mouthFrown_L", "mouthFrown_R", "mouthUpperUp_L", "mouthUpperUp_R", "mouthLowerDown_L",
    "mouthLowerDown_R", "noseSneer_L", "noseSneer_R", "cheekPuff_L", "cheekPuff_R",
)  # fmt: skip
"""Shapes that rendered people show."""


@dataclass(frozen=True)
class RenderedPerson:
    """A person whose truth is known, and frames of them.

    Attributes
    ----------
    person : Person
    frames : Frames; landmarks and mesh exact but for noise, the start's expressions and rotations
        off as a network's are
    expression : float, shape (B, K), the true weights
    vertices : float, shape (B, V, 3), the true posed shapes in the ``model`` frame, before the pose
    """

    person: Person
    frames: Frames
    expression: Tensor
    vertices: Tensor


def render_person(
    template: Template,
    surface: Surface,
    num_frames: int,
    random: np.random.Generator,
    skin_spread: float = SKIN_SPREAD,
) -> RenderedPerson:
    """Make up a person and draw frames of them.

    The face has the template's modes and smooth bumps besides; each blendshape in `ACTIVE` is bent
    within its attention mask; the skin has coloured blotches, which ``skin_spread`` makes stronger
    or weaker, and some that come with expressions.
    """
    person = make_up(surface, random, skin_spread)
    shapes = blendshapes(surface, person)
    expression = _expressions(template, num_frames, random)
    posed = shapes.posed(expression)
    rotation = Rotation.from_euler(
        "yxz", random.uniform([-30, -15, -10], [30, 15, 10], (num_frames, 3)), degrees=True
    )
    turn = torch.from_numpy(rotation.as_matrix()).float()
    camera = Camera((SIDE_PX, SIDE_PX), FOCAL_OF_SIDE * SIDE_PX)
    place = random.uniform([-0.2, -0.2, 9.0], [0.2, 0.2, 12.0], (num_frames, 3))
    vertices = (
        posed @ (TO_CAMERA[:, None] * turn).transpose(1, 2)
        + torch.from_numpy(place)[:, None].float()
    )
    light = random_lights(num_frames, random)
    skin = albedo(surface, person, expression)
    drawn = render(vertices, surface.triangles, surface.uv, skin, light, camera)
    regions = drawn_regions(surface, drawn.uv, drawn.mask)
    background = torch.from_numpy(random.random((num_frames, 1, 1, 3))).float()
    noise = torch.from_numpy(random.normal(0, 0.01, drawn.image.shape)).float()
    images = (torch.where(drawn.mask[..., None], drawn.image, background) + noise).clamp(0, 1)
    points = camera.project(vertices)[..., :2]
    mesh = torch.zeros(num_frames, len(surface.mesh), 2)
    known = surface.mesh >= 0
    mesh[:, known] = points[:, surface.mesh[known]]
    wobble = Rotation.from_rotvec(random.normal(0, 0.03, (num_frames, 3))).as_matrix()
    frames = Frames(
        images=images,
        regions=regions,
        landmarks=_noisy(points[:, surface.landmarks], 0.6, random),
        rotation=torch.from_numpy(wobble).float() @ turn,
        expression=(_noisy(expression, 0.08, random)).clamp(0, 1),
        mesh=_noisy(mesh, 0.8, random),
    )
    return RenderedPerson(person, frames, expression, posed)


def error_mm(fitted: Tensor, true: Tensor) -> float:
    """The mean distance of vertices (B, V, 3) after the best similarity, mm."""
    total = 0.0
    for a, b in zip(fitted.double(), true.double(), strict=True):
        a, b = a - a.mean(0), b - b.mean(0)
        u, s, vt = torch.linalg.svd(a.T @ b)
        flip = torch.ones(3, dtype=torch.float64)
        flip[2] = torch.sign(torch.linalg.det(u @ vt))
        scale = (s * flip).sum() / a.square().sum()
        total += float((scale * a @ (u * flip) @ vt - b).norm(dim=1).mean())
    return total / len(fitted) * UNIT_MM


def blendshape_error_mm(
    fitted: Blendshapes, true: Blendshapes, active: list[int]
) -> tuple[float, float]:
    """The mean error of active blendshapes' offsets where they move, fitted and template's, mm."""
    moves = true.offsets[active].norm(dim=-1)
    where = moves > 0.1 * moves.amax(1, keepdim=True)
    off = (fitted.offsets[active] - true.offsets[active]).norm(dim=-1)
    before = true.corrections[active].norm(dim=-1)
    return float(off[where].mean()) * UNIT_MM, float(before[where].mean()) * UNIT_MM


def make_up(surface: Surface, random: np.random.Generator, skin_spread: float) -> Person:
    """A person whose face, blendshapes and skin no template has."""
    k = surface.num_shapes
    person = Person.of_template(surface)
    person.identity = torch.from_numpy(
        random.normal(0, IDENTITY_SPREAD, len(surface.identity))
    ).float()
    person.neutral = _bumps((3,), SHAPE_MAP, 6, random) * (NEUTRAL_MM / UNIT_MM)
    person.shapes = _bumps((k, 3), SHAPE_MAP, 5, random) * (SHAPE_MM / UNIT_MM) * 1.5
    tone = torch.from_numpy(random.uniform(-0.25, 0.12, (1, 1, 1))).float()
    person.skin = tone + _bumps((3,), SKIN_MAP, 24, random) * skin_spread / 2
    person.skin = person.skin + _bumps((1,), SKIN_MAP, 10, random) * skin_spread / 2
    person.dynamic_skin = (
        _bumps((k, 1), DYNAMIC_MAP, 12, random).expand(-1, 3, -1, -1) * DYNAMIC_SPREAD
    )
    return person


def _bumps(shape: tuple[int, ...], size: int, cells: int, random: np.random.Generator) -> Tensor:
    """Smooth noise of unit variance, with about so many bumps along a side."""
    coarse = torch.from_numpy(random.normal(size=(int(np.prod(shape)), 1, cells, cells))).float()
    fine = interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    return (fine / fine.std()).reshape(*shape, size, size)


def _expressions(template: Template, num_frames: int, random: np.random.Generator) -> Tensor:
    active = [template.expression_names.index(name) for name in ACTIVE]
    weights = np.zeros((num_frames, len(template.expression_names)))
    strength = random.beta(0.4, 1.2, (num_frames, len(active)))
    shown = random.random((num_frames, len(active))) < 0.35
    weights[:, active] = strength * shown
    return torch.from_numpy(weights).float()


def random_lights(num_frames: int, random: np.random.Generator) -> Tensor:
    """Light (B, 9, 3) from the camera's side and another, slightly coloured."""
    light = ambient_light(num_frames, 0.85)
    direction = random.normal(0, 0.25, (num_frames, 3))
    light[:, 1:4] += torch.from_numpy(direction).float()[..., None]
    light[:, 2] -= 0.3  # from the camera's side
    tint = torch.from_numpy(random.normal(1, 0.05, (num_frames, 1, 3))).float()
    return light * tint


def drawn_regions(surface: Surface, uv: Tensor, mask: Tensor) -> Tensor:
    """The parts of the face (B, H, W) that a rendering shows."""
    row, column = ((uv[..., k] * SKIN_MAP).long().clamp(0, SKIN_MAP - 1) for k in (1, 0))
    return torch.where(mask, surface.regions[row, column], 0)


def _noisy(values: Tensor, spread: float, random: np.random.Generator) -> Tensor:
    return values + torch.from_numpy(random.normal(0, spread, values.shape)).float()
