"""The loss by which TrackNet and ModelNet learn end to end (2020, Sec. 3.4)."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgeface.errors import InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.kinds import PERSON_MAPS
from edgeface.personal.template import Template
from edgeface.reference.geometry.alignment import similarity
from edgeface.reference.geometry.morphable import quaternion_to_rotation, unit_quaternion
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.personal import losses
from edgeface.reference.personal.fit import JAW_WEIGHT
from edgeface.reference.personal.person import Blendshapes, Person, Surface, albedo, blendshapes
from edgeface.reference.personal.render import Camera, Rendering, render
from edgeface.reference.personal.unknowns import FOCAL_OF_SIDE, TO_CAMERA, in_camera

MOTION = ("light", "expression", "pose")
SKIN_BOUNDS = (0.02, 1.0)


@dataclass(frozen=True)
class LearningWeights:
    """Of the losses; colours in [0, 1], points in px of a view of 112, lengths in 10 cm."""

    photometric: float = 200.0
    image_gradient: float = 50.0
    landmarks: float = 1.0
    mesh: float = 1.0
    expression: float = 100.0
    smoothness: float = 25.0
    blendshape_gradient: float = 3.0
    dynamic_skin: float = 20.0
    skin_variation: float = 0.5
    symmetry: float = 0.1
    coefficients: float = 0.05
    identity: float = 0.02
    light: float = 0.5
    true_neutral: float = 1e4
    true_skin: float = 20.0
    true_light: float = 10.0


@dataclass(frozen=True)
class Guess:
    """What the networks say of N frames of one person.

    Attributes
    ----------
    person : Person
    weights : float, shape (N, K), of the template's shapes
    rotation : float, shape (N, 3, 3), translation : float, shape (N, 3), as `fit.Fit` has them
    light : float, shape (N, 9, 3)
    """

    person: Person
    weights: Tensor
    rotation: Tensor
    translation: Tensor
    light: Tensor


class Reading:
    """Reads the raw outputs of both networks as persons, motion and light of the renderer.

    Parameters
    ----------
    template : what ModelNet corrects
    model : the face model whose pose and expressions TrackNet gives
    size : side of the networks' views, px

    Raises
    ------
    InvalidInputError
        If ModelNet's maps are not those of the template, or the face model's mesh or expressions
        are others.
    """

    def __init__(self, template: Template, model: FaceModel, size: int) -> None:
        k, modes = len(template.expression_names), len(template.identity)
        if (k, modes) != (PERSON_MAPS["shapes"][0], PERSON_MAPS["modes"][0]):
            raise InvalidInputError(
                f"ModelNet corrects the template that ships: {PERSON_MAPS['shapes'][0]} shapes and "
                f"{PERSON_MAPS['modes'][0]} modes; this one has {k} and {modes}"
            )
        known = np.flatnonzero(template.mesh_vertices >= 0)
        if len(model.mean) != len(template.mesh_vertices):
            raise InvalidInputError(
                f"TrackNet needs a face model of {len(template.mesh_vertices)} points, as the "
                f"template knows; this one has {len(model.mean)}"
            )
        if model.expression_names != EXPRESSION_NAMES:
            raise InvalidInputError("TrackNet needs a face model with the default's expressions")
        scale, turn, shift = similarity(
            template.neutral[template.mesh_vertices[known]][None],
            model.mean[known],
            np.ones(len(known)),
        )
        self.scale = float(scale[0])
        self.turn = torch.from_numpy(turn[0]).float()
        self.shift = torch.from_numpy(shift[0]).float()
        # column k of this is where the template's shape k finds its weight
        self.columns = torch.from_numpy(template.from_expression(np.eye(46, dtype=np.float32)))
        self.camera = Camera((size, size), FOCAL_OF_SIDE * size)
        self.size = size
        self.albedo = Surface(template).albedo
        self.middle = torch.from_numpy(template.neutral[template.landmark_vertices].mean(0))

    def guesses(self, outputs: tuple[Tensor, ...]) -> list[Guess]:
        """What the raw outputs of `PersonalNetworks` say of each of P persons."""
        light, expression, pose = outputs[:3]
        persons = self.persons(outputs[3:])
        rotation, translation = self.placed(pose)
        weights = torch.sigmoid(expression) @ self.columns.to(expression.device)
        each = len(pose) // len(persons)
        parts = (weights, rotation, translation, light.reshape(-1, 9, 3))
        split = [part.split(each) for part in parts]
        return [Guess(person, *own) for person, *own in zip(persons, *split, strict=True)]

    def persons(self, outputs: tuple[Tensor, ...]) -> list[Person]:
        """The persons that ModelNet's raw outputs are."""
        named = dict(zip(PERSON_MAPS, outputs, strict=True))
        maps = {name: named[name].unflatten(1, shape) for name, shape in PERSON_MAPS.items()}
        maps["skin"] = maps["skin"] - self.albedo.to(maps["skin"].device)
        return [Person(*own) for own in zip(*maps.values(), strict=True)]

    def placed(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (F, 3, 3) and translations (F, 3) in the camera's frame of poses (F, 8).

        A pose is a weak perspective of the face model's mean face in ``face_norm``. The template is
        laid upon that face by a similarity, and its landmarks' middle goes to the depth at which
        the camera shows it in the same size.
        """
        device = pose.device
        turn, shift, middle = (t.to(device) for t in (self.turn, self.shift, self.middle))
        flip = TO_CAMERA.to(device)
        head = quaternion_to_rotation(unit_quaternion(pose[:, :4]))
        unit_px = torch.sigmoid(pose[:, 7]) * self.scale * self.size / CROP_SCALE
        depth = self.camera.focal_px / unit_px.clamp(min=1e-3)
        rotation = flip[:, None] * (head @ turn)
        place = flip * (head @ shift + pose[:, 4:7]) / self.scale
        away = depth - (rotation @ middle)[:, 2]
        return rotation, torch.cat([place[:, :2], away[:, None]], dim=1)


class PersonalLoss(nn.Module):
    """The losses of what both networks say of a batch of people.

    Notes
    -----
    Eq. 3, and besides: the teacher's mesh and expressions, which are there for all frames, and for
    rendered people the distance to their true neutral face, skin and light. The parsing loss has
    no labels here. Identity modes are drawn to 0 by their squares.
    """

    def __init__(
        self,
        template: Template,
        model: FaceModel,
        size: int,
        weights: LearningWeights | None = None,
    ) -> None:
        super().__init__()
        self.weights = weights or LearningWeights()
        self.reading = Reading(template, model, size)
        self.surface = Surface(template)
        self.forms = (
            losses.smoothness_form(template.triangles, len(template.neutral)),
            losses.gradient_form(template.neutral, template.triangles),
        )
        self.point_weights = torch.ones(68)
        self.point_weights[:17] = JAW_WEIGHT

    def forward(
        self, outputs: tuple[Tensor, ...], batch: dict[str, Tensor], epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The total, and each loss before its weight; it is the same in all epochs."""
        self._move(outputs[0].device)
        guesses = self.reading.guesses(outputs)
        shapes = [blendshapes(self.surface, guess.person) for guess in guesses]
        vertices = torch.cat([posed(g, s) for g, s in zip(guesses, shapes, strict=True)])
        terms = self._points(vertices, batch)
        terms |= self._motion(outputs, batch)
        terms |= self._pictures(guesses, vertices, batch)
        terms |= self._person(guesses, shapes)
        terms |= self._truth(guesses, shapes, batch)
        total = torch.stack([getattr(self.weights, n) * term for n, term in terms.items()]).sum()
        return total, {n: terms[n].detach() for n in ("photometric", "landmarks", "mesh")}

    def _move(self, device: torch.device) -> None:
        if self.surface.neutral.device != device:
            self.surface = self.surface.to(device)
            smoothness, gradient = self.forms
            self.forms = (smoothness.to(device), gradient.to(device))
            self.point_weights = self.point_weights.to(device)

    def _points(self, vertices: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        surface = self.surface
        points = self.reading.camera.project(vertices)[..., :2] * (112 / self.reading.size)
        unit = 112 / self.reading.size
        labels = batch["mesh"].flatten(0, 1) * unit
        known = (surface.mesh >= 0) & torch.isfinite(labels).all(-1)
        placed = points[:, surface.mesh.clamp(min=0)]
        return {
            "landmarks": robust_points(
                points[:, surface.landmarks],
                batch["landmarks"].flatten(0, 1) * unit,
                self.point_weights,
            ),
            "mesh": robust_points(placed, labels.nan_to_num(), known.float()),
        }

    def _motion(self, outputs: tuple[Tensor, ...], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        light, expression, _ = outputs[:3]
        weights = torch.sigmoid(expression)
        labels = batch["expression"].flatten(0, 1)
        return {
            "expression": (weights - labels).square().mean(),
            "coefficients": losses.coefficient_loss(weights),
            "light": losses.light_loss(light.reshape(-1, 9, 3)),
        }

    def _pictures(
        self, guesses: list[Guess], vertices: Tensor, batch: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        drawn = draw(self.surface, self.reading.camera, guesses, vertices)
        images = batch["image"].flatten(0, 1).float() / 255
        mask = drawn.mask * batch["valid"].flatten(0, 1)
        return {
            "photometric": losses.photometric_loss(images, drawn.image, mask),
            "image_gradient": losses.image_gradient_loss(images, drawn.image, mask),
        }

    def _person(self, guesses: list[Guess], shapes: list[Blendshapes]) -> dict[str, Tensor]:
        surface, (smoothness, gradient) = self.surface, self.forms
        flips = torch.tensor([-1.0, 1.0, 1.0], device=surface.neutral.device)
        people = [guess.person for guess in guesses]
        neutral = torch.stack([s.neutral_correction for s in shapes])
        bent = torch.stack([s.corrections for s in shapes])
        dynamic = torch.stack([p.dynamic_skin.square().mean() for p in people]).mean()
        return {
            "smoothness": losses.quadratic_form(smoothness, neutral) / len(people),
            "blendshape_gradient": losses.quadratic_form(gradient, bent) / len(people),
            "symmetry": torch.stack(
                [losses.symmetry_loss(p.neutral, flips) for p in people]
            ).mean(),
            "identity": torch.stack([p.identity.square().sum() for p in people]).mean(),
            "dynamic_skin": dynamic * surface.num_shapes,
            "skin_variation": torch.stack([losses.total_variation(p.skin) for p in people]).mean(),
        }

    def _truth(
        self, guesses: list[Guess], shapes: list[Blendshapes], batch: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The distances to the truth of those people of whom it is known, per person of all."""
        share = batch["known"].float() / len(guesses)
        neutral = torch.stack([s.neutral for s in shapes]) - batch["true_neutral"]
        skin = torch.stack([self.surface.albedo + g.person.skin for g in guesses])
        light = torch.stack([g.light for g in guesses]) - batch["true_light"]
        return {
            "true_neutral": (share * neutral.square().sum(-1).mean(-1)).sum(),
            "true_skin": (share * (skin - batch["true_skin"]).abs().flatten(1).mean(-1)).sum(),
            "true_light": (share * light.square().flatten(1).mean(-1)).sum(),
        }


def posed(guess: Guess, shapes: Blendshapes) -> Tensor:
    """The person's surface in each frame, (N, V, 3), in the camera's frame."""
    return in_camera(shapes, guess.rotation, guess.translation, guess.weights)


def draw(surface: Surface, camera: Camera, guesses: list[Guess], vertices: Tensor) -> Rendering:
    """All frames of all guesses, whose surfaces lie at vertices (F, V, 3)."""
    skin = torch.cat([albedo(surface, g.person, g.weights) for g in guesses])
    light = torch.cat([g.light for g in guesses])
    skin = skin.clamp(*SKIN_BOUNDS)
    return render(vertices, surface.triangles, surface.uv, skin, light, camera)


def robust_points(predicted: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The mean distance of points (B, P, 2), px, under weights (P,) or (B, P).

    Fitting minimises squares. In training, a few frames with wrong labels would outweigh all
    others.
    """
    apart = ((predicted - labels).square().sum(-1) + 1e-4).sqrt()
    weights = weights.expand_as(apart)
    return (apart * weights).sum() / weights.sum().clamp(min=1e-6)
