"""Rendered people for the networks' training, whose truth is known."""

# torch types its operations in part only, SciPy none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation
from torch import Tensor

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.personal.template import Template
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.personal.person import SKIN_MAP, Surface, albedo, blendshapes
from edgeface.reference.personal.regions import EYES, INNER_LIPS
from edgeface.reference.personal.render import Camera, render
from edgeface.reference.personal.rendered import (
    ACTIVE,
    drawn_regions,
    make_up,
    random_lights,
)
from edgeface.reference.personal.unknowns import FOCAL_OF_SIDE, TO_CAMERA
from edgeface.types import ImageArray

SHOWN = 0.35
"""How often a rendered person shows each of the shapes in `ACTIVE`."""
SIDE_JITTER, SHIFT_JITTER = 0.12, 0.05
SKIN_SPREAD = (0.03, 0.12)
"""Of the blotches: real skins have weaker ones than those that fitting is tested with."""


class MadeUp:
    """Draws people whom nobody has seen, in views as `edgeface.reference.personal.batches` has.

    Parameters
    ----------
    template : Template
    size : side of a view, px
    num_frames : frames a person
    backgrounds : gives a photo (S, S, 3) at a time; None leaves a plain colour
    """

    def __init__(
        self,
        template: Template,
        size: int,
        num_frames: int,
        backgrounds: Callable[[np.random.Generator], ImageArray] | None = None,
    ) -> None:
        self.template, self.surface = template, Surface(template)
        self.size, self.num_frames, self.backgrounds = size, num_frames, backgrounds
        names = [n.replace("_L", "Left").replace("_R", "Right") for n in ACTIVE]
        self.active = [EXPRESSION_NAMES.index(name) for name in names if name in EXPRESSION_NAMES]
        self.known = self.surface.mesh >= 0

    def unknown(self) -> dict[str, Tensor]:
        """The truth of somebody of whom it is not known."""
        return {
            "known": torch.tensor(False),
            "true_neutral": torch.zeros_like(self.surface.neutral),
            "true_skin": torch.zeros(3, SKIN_MAP, SKIN_MAP),
            "true_light": torch.zeros(self.num_frames, 9, 3),
        }

    @torch.no_grad()
    def draw(self, random: np.random.Generator) -> dict[str, Tensor]:
        """One person: views and labels of all frames, and the truth."""
        surface, many = self.surface, self.num_frames
        person = make_up(surface, random, random.uniform(*SKIN_SPREAD))
        shapes = blendshapes(surface, person)
        expression = self._expressions(random)
        weights = torch.from_numpy(self.template.from_expression(expression))
        rotation = Rotation.from_euler(
            "yxz", random.normal(0, [18, 9, 6], (many, 3)), degrees=True
        ).as_matrix()
        turn = TO_CAMERA[:, None] * torch.from_numpy(rotation).float()
        vertices = shapes.posed(weights) @ turn.transpose(1, 2)
        camera = Camera((self.size, self.size), FOCAL_OF_SIDE * self.size)
        vertices = vertices + self._places(vertices, camera, random)[:, None]
        light = random_lights(many, random)
        skin = albedo(surface, person, weights)
        drawn = render(vertices, surface.triangles, surface.uv, skin, light, camera)
        points = camera.project(vertices)[..., :2]
        mesh = torch.full((many, len(surface.mesh), 2), torch.nan)
        mesh[:, self.known] = points[:, surface.mesh[self.known]]
        images = [self._finished(drawn.image[i], drawn.mask[i], mesh[i], random)
                  for i in range(many)]  # fmt: skip
        return {
            "image": torch.stack(images),
            "valid": drawn_regions(surface, drawn.uv, drawn.mask) > 0,
            "landmarks": points[:, surface.landmarks].contiguous(),
            "mesh": mesh,
            "expression": torch.from_numpy(expression),
            "known": torch.tensor(True),
            "true_neutral": shapes.neutral,
            "true_skin": surface.albedo + person.skin,
            "true_light": light,
        }

    def _expressions(self, random: np.random.Generator) -> np.ndarray:
        found = np.zeros((self.num_frames, len(EXPRESSION_NAMES)), np.float32)
        size = (self.num_frames, len(self.active))
        found[:, self.active] = random.beta(0.6, 1.2, size) * (random.random(size) < SHOWN)
        return found

    def _places(self, vertices: Tensor, camera: Camera, random: np.random.Generator) -> Tensor:
        """Translations (N, 3) by which the faces fill their views as the networks' crops do."""
        mesh = vertices[:, self.surface.mesh[self.known]]
        low, high = mesh.amin(1), mesh.amax(1)
        longer = (high - low)[:, :2].amax(1)
        jitter = 1 + torch.from_numpy(random.uniform(-SIDE_JITTER, SIDE_JITTER, len(mesh))).float()
        depth = camera.focal_px * longer * CROP_SCALE * jitter / self.size
        shift = torch.from_numpy(random.uniform(-SHIFT_JITTER, SHIFT_JITTER, (len(mesh), 2)))
        place = -(low + high) / 2
        place[:, :2] += shift.float() * longer[:, None]
        place[:, 2] = place[:, 2] + depth
        return place

    def _finished(
        self, face: Tensor, mask: Tensor, mesh: Tensor, random: np.random.Generator
    ) -> Tensor:
        """A picture uint8 (S, S, 3) with what the template lacks: eyes, teeth, surroundings."""
        size = self.size
        if self.backgrounds is None:
            behind = np.tile(random.integers(0, 256, 3, np.uint8), (size, size, 1))
        else:
            behind = self.backgrounds(random)
        picture = Image.fromarray(behind)
        draw = ImageDraw.Draw(picture)
        dark = int(random.integers(20, 90))
        for ring in EYES:
            corners = mesh[list(ring)]
            corners = corners[torch.isfinite(corners).all(1)]
            draw.polygon([(x, y) for x, y in corners.tolist()], fill=(190, 180, 175))
            x, y = corners.mean(0).tolist()
            radius = 0.22 * float(corners[:, 0].max() - corners[:, 0].min())
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(dark,) * 3)
        lips = mesh[list(INNER_LIPS)]
        lips = lips[torch.isfinite(lips).all(1)]
        draw.polygon([(x, y) for x, y in lips.tolist()], fill=(90, 40, 40))
        seen = torch.from_numpy(np.asarray(picture).copy()).float() / 255
        noise = torch.from_numpy(random.normal(0, 0.01, face.shape)).float()
        image = torch.where(mask[..., None], face, seen) + noise
        return (image.clamp(0, 1) * 255).round().to(torch.uint8)
