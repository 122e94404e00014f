"""Fitting a person to frames: motion and light a frame, one face and one skin for all."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from edgeface.personal.template import Template
from edgeface.reference.personal import losses
from edgeface.reference.personal.frames import Frames, uncovered
from edgeface.reference.personal.person import (
    SHAPE_MAP,
    Blendshapes,
    Person,
    Surface,
    albedo,
    blendshapes,
    sample_corrections,
)
from edgeface.reference.personal.render import Camera, Rendering, ambient_light, render, sample
from edgeface.reference.personal.schedule import (
    CORRECTIONS,
    LEVELS,
    RATES,
    STAGES,
    Stage,
    Weights,
)
from edgeface.reference.personal.shadow import SHADOW_MAP, estimate_shadow, shadow_factor
from edgeface.reference.personal.skin import estimate_light, mean_skin, toned, unwrap, usual_skin

FOCAL_OF_SIDE = 1015 / 224
"""The assumed focal length in sides of the crop, as in Deng et al. 2019."""
JAW_WEIGHT = 0.3
"""Of the 17 points of the jaw line, which slide along the cheeks as the head turns."""
TEMPLATE_TRUST = 0.05
"""Of the template's skin beside the frames', which count up to 1 each."""
PER_FRAME = ("turn", "translation", "logits", "light", "shadow")
MANY_FRAMES, HALVES = 16, (slice(0, None, 2), slice(1, None, 2))
"""Of so many frames or more, a step draws every other one, in turns."""
TO_CAMERA = torch.tensor([1.0, -1.0, -1.0])
"""From the ``model`` axes to the camera's: half a turn about x."""


@dataclass
class Fit:
    """A fitted person, and each frame's motion and light.

    Attributes
    ----------
    person : Person
    rotation : float, shape (B, 3, 3), model axes to the camera's (x right, y down, z away)
    translation : float, shape (B, 3), the camera's axes, units of 10 cm
    expression : float, shape (B, K), in [0, 1]
    light : float, shape (B, 9, 3)
    shadow : float, shape (B, 1, S, S), over the UV map: the logarithm of what harmonics' light is
        multiplied by
    losses : the terms of the last step by name
    """

    person: Person
    rotation: Tensor
    translation: Tensor
    expression: Tensor
    light: Tensor
    shadow: Tensor
    losses: dict[str, float] = field(default_factory=lambda: {})


class Fitter:
    """Fits people to frames by Adam on the losses of 2020, Sec. 3.4.

    Parameters
    ----------
    template : Template
    weights : of the losses
    """

    def __init__(self, template: Template, weights: Weights | None = None) -> None:
        self.surface = Surface(template)
        self.points = self.surface.points()
        self.weights = weights or Weights()
        self.smoothness = losses.smoothness_form(template.triangles, len(template.neutral))
        self.gradient = losses.gradient_form(template.neutral, template.triangles)
        point_weights = torch.ones(68)
        point_weights[:17] = JAW_WEIGHT
        self.point_weights = point_weights

    def fit(
        self,
        frames: Frames,
        *,
        person: Person | None = None,
        stages: tuple[Stage, ...] = STAGES,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Fit:
        """Fit a person to frames.

        Parameters
        ----------
        frames : Frames
        person : what to start from; by default the template
        stages : in their order
        progress : called with the stage's name, the steps done and those of all stages
        """
        person = person or Person.of_template(self.surface)
        unknowns = self._start(frames, person)
        done, total = 0, sum(stage.steps for stage in stages)
        terms: dict[str, Tensor] = {}
        seen = False
        for stage in stages:
            if stage.pictures and not seen:
                frames = self._start_skin(frames, unknowns, keep="skin" not in stage.unknowns)
                seen = True
            surface = self.surface if stage.pictures else self.points
            moving = set(CORRECTIONS).intersection(stage.unknowns)
            fixed = None if moving else sample_corrections(surface, self._person(unknowns))
            active = [
                {"params": [unknowns[part].requires_grad_() for part in _parts(n)], "lr": RATES[n]}
                for n in stage.unknowns
            ]
            optimiser = torch.optim.Adam(active, betas=(0.9, 0.98))
            decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.2, max(stage.steps, 1))
            many = stage.pictures and len(frames) >= MANY_FRAMES
            parts = [(s, frames[s]) for s in (HALVES if many else (slice(None),))]
            for step in range(stage.steps):
                optimiser.zero_grad(set_to_none=True)
                some, part = parts[step % len(parts)]
                own = unknowns | {name: unknowns[name][some] for name in PER_FRAME}
                terms = self._losses(part, own, surface, fixed)
                torch.stack(list(terms.values())).sum().backward()
                optimiser.step()
                decay.step()
                done += 1
                if progress:
                    progress(stage.name, done, total)
            for tensor in unknowns.values():
                tensor.requires_grad_(False)
        motion = self._motion(frames, unknowns)
        fitted = self._person(unknowns)
        figures = {name: float(term.detach()) for name, term in terms.items()}
        return Fit(fitted, *motion, unknowns["light"], unknowns["shadow"], figures)

    def render(self, frames: Frames, fit: Fit) -> Rendering:
        """What the fitted person looks like in each frame."""
        with torch.no_grad():
            shapes = blendshapes(self.surface, fit.person)
            vertices = self._in_camera(shapes, fit.rotation, fit.translation, fit.expression)
            skin = albedo(self.surface, fit.person, fit.expression)
            return self._rendered(frames, vertices, skin, fit.light, fit.shadow)

    def landmarks(self, frames: Frames, fit: Fit) -> Tensor:
        """The fitted person's 68 landmarks in each frame, shape (B, 68, 2), px."""
        with torch.no_grad():
            shapes = blendshapes(self.surface, fit.person)
            vertices = self._in_camera(shapes, fit.rotation, fit.translation, fit.expression)
            return self._camera(frames).project(vertices[:, self.surface.landmarks])[..., :2]

    def unwrapped(self, frames: Frames, fit: Fit) -> tuple[Tensor, Tensor, Tensor]:
        """What each frame shows of the fitted person at each texel; see `skin.unwrap`."""
        shapes = blendshapes(self.surface, fit.person)
        return self._unwrapped(
            frames, self._in_camera(shapes, fit.rotation, fit.translation, fit.expression)
        )

    def _unwrapped(self, frames: Frames, vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        points = self._camera(frames).project(vertices)
        return unwrap(self.surface, vertices, points, frames.images, frames.valid)

    def _start(self, frames: Frames, person: Person) -> dict[str, Tensor]:
        start = frames.expression.clamp(0.02, 0.98)
        unknowns = {name: tensor.clone() for name, tensor in person.tensors().items()}
        for name in CORRECTIONS:
            lead = unknowns[name].shape[:-2]
            unknowns |= {part: torch.zeros(*lead, side, side) for part, side in _levels(name)}
        unknowns["turn"] = torch.zeros(len(frames), 3)
        unknowns["logits"] = torch.logit(start)
        unknowns["light"] = ambient_light(len(frames), 0.9)
        unknowns["shadow"] = torch.zeros(len(frames), 1, SHADOW_MAP, SHADOW_MAP)
        unknowns["translation"] = self._placed(frames)
        return unknowns

    def _placed(self, frames: Frames) -> Tensor:
        """Translations that put the neutral face where the landmarks are, by size and centre."""
        camera = self._camera(frames)
        points = self.surface.neutral[self.surface.landmarks] @ frames.rotation.transpose(1, 2)
        points = points * TO_CAMERA
        flat = points[..., :2] - points[..., :2].mean(1, keepdim=True)
        seen = frames.landmarks - frames.landmarks.mean(1, keepdim=True)
        scale = (flat * seen).sum((1, 2)) / flat.square().sum((1, 2))
        depth = camera.focal_px / scale.clamp(min=1e-3)
        centre = frames.landmarks.mean(1) - frames.images.shape[1] / 2
        place = centre * (depth / camera.focal_px)[:, None]
        middle = points.mean(1)
        return torch.cat([place - middle[:, :2], (depth - middle[:, 2])[:, None]], dim=1)

    def _start_skin(self, frames: Frames, unknowns: dict[str, Tensor], *, keep: bool) -> Frames:
        """Light and, unless it is to be kept, skin, in turns, for the shapes and poses so far.

        Returns the frames without what covers the face: pixels that are far from what it looks like
        in the other frames. Skin and light are estimated once more without them.
        """
        shapes = blendshapes(self.surface, self._person(unknowns))
        vertices = self._in_camera(shapes, *self._motion(frames, unknowns))
        template = self.surface.albedo
        for last in (False, True):
            seen = colour, normal, weight = self._unwrapped(frames, vertices)
            known = (template + unknowns["skin"]).permute(1, 2, 0)
            skin = prior = known if keep else toned(known, colour, weight)
            light, shadow = unknowns["light"], torch.zeros_like(unknowns["shadow"])
            for _ in range(2):
                light = estimate_light(seen[0], skin, normal, seen[2])
                shadow = estimate_shadow(colour, skin, normal, weight, light)
                factor = shadow_factor(shadow)[:, 0]
                seen = colour / factor[..., None], normal, weight * factor.square()
                if not keep and last:
                    skin = mean_skin(*seen, light, prior, TEMPLATE_TRUST)
                elif not keep:
                    skin = usual_skin(*seen, light, prior)
            flat = skin.permute(2, 0, 1).contiguous()
            if not last:
                skins = flat.expand(len(frames), -1, -1, -1)
                drawn = self._rendered(frames, vertices, skins, light, shadow)
                frames = uncovered(frames, drawn.image, drawn.mask)
        unknowns |= {"light": light, "shadow": shadow, "skin": flat - template}
        return frames

    def _person(self, unknowns: dict[str, Tensor]) -> Person:
        values = {f.name: unknowns[f.name] for f in fields(Person)}
        for name in CORRECTIONS:
            parts = [unknowns[p] for p in _parts(name)]
            if any(part.requires_grad or part.any() for part in parts):
                values[name] = values[name] + sum(_enlarged(part) for part in parts)
        return Person(**values)

    def _camera(self, frames: Frames) -> Camera:
        side = frames.images.shape[1]
        return Camera((side, side), FOCAL_OF_SIDE * side)

    def _motion(self, frames: Frames, unknowns: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        turned = torch.linalg.matrix_exp(_cross_matrix(unknowns["turn"])) @ frames.rotation
        rotation = TO_CAMERA[:, None] * turned
        return rotation, unknowns["translation"], torch.sigmoid(unknowns["logits"])

    def _in_camera(
        self, shapes: Blendshapes, rotation: Tensor, translation: Tensor, expression: Tensor
    ) -> Tensor:
        return shapes.posed(expression) @ rotation.transpose(1, 2) + translation[:, None]

    def _rendered(
        self, frames: Frames, vertices: Tensor, skin: Tensor, light: Tensor, shadow: Tensor
    ) -> Rendering:
        surface = self.surface
        skin = skin * shadow_factor(shadow)
        return render(vertices, surface.triangles, surface.uv, skin, light, self._camera(frames))

    def _losses(
        self, frames: Frames, unknowns: dict[str, Tensor], surface: Surface, fixed: Tensor | None
    ) -> dict[str, Tensor]:
        """The weighted terms; pictures count where ``surface`` is the whole one."""
        weights = self.weights
        person = self._person(unknowns)
        shapes = blendshapes(surface, person, fixed)
        rotation, translation, expression = self._motion(frames, unknowns)
        vertices = self._in_camera(shapes, rotation, translation, expression)
        unit = 112 / frames.images.shape[1]  # the weights are of points in crops of 112 px
        points = self._camera(frames).project(vertices)[..., :2]
        terms = {
            "landmarks": weights.landmarks
            * losses.point_loss(
                points[:, surface.landmarks] * unit, frames.landmarks * unit, self.point_weights
            ),
            "coefficients": weights.coefficients * losses.coefficient_loss(expression),
            "start": weights.start * (expression - frames.expression).square().mean(),
            "identity": weights.identity * person.identity.square().sum(),
        }
        known = surface.mesh >= 0
        terms["mesh"] = weights.mesh * losses.point_loss(
            points[:, surface.mesh[known]] * unit,
            frames.mesh[:, known] * unit,
            torch.ones(int(known.sum())),
        )
        if fixed is None:
            terms |= self._shape_losses(person, shapes, surface)
        if surface is self.surface:
            shadow = unknowns["shadow"]
            cast = shadow.detach().flatten(1).any(1)[:, None, None, None]
            light, shadow = unknowns["light"], torch.where(cast, shadow, 0.0)
            terms |= self._picture_losses(frames, person, expression, vertices, light, shadow)
            terms |= self._skin_losses(person)
        return terms

    def _picture_losses(
        self,
        frames: Frames,
        person: Person,
        expression: Tensor,
        vertices: Tensor,
        light: Tensor,
        shadow: Tensor,
    ) -> dict[str, Tensor]:
        weights = self.weights
        skin = albedo(self.surface, person, expression)
        drawn = self._rendered(frames, vertices, skin, light, shadow)
        mask = drawn.mask * frames.valid
        drawn_parts = sample(self.surface.parts.expand(len(frames), -1, -1, -1), drawn.uv)
        return {
            "parsing": weights.parsing * losses.parsing_loss(frames.parts, drawn_parts, mask),
            "photometric": weights.photometric
            * losses.photometric_loss(frames.images, drawn.image, mask),
            "image_gradient": weights.image_gradient
            * losses.image_gradient_loss(frames.images, drawn.image, mask),
            "light": weights.light * losses.light_loss(light),
            "shadow": weights.shadow * shadow.square().mean(),
        }

    def _shape_losses(
        self, person: Person, shapes: Blendshapes, surface: Surface
    ) -> dict[str, Tensor]:
        weights = self.weights
        flips = torch.tensor([-1.0, 1.0, 1.0])
        neutral = shapes.neutral_correction
        terms: dict[str, Tensor] = {}
        if surface is self.surface:
            terms["blendshape_gradient"] = weights.blendshape_gradient * losses.quadratic_form(
                self.gradient, shapes.corrections
            )
        else:  # only the neutral shape moves, and it must be smooth everywhere
            neutral = self.surface.at_vertices(person.neutral)
        return terms | {
            "smoothness": weights.smoothness * losses.quadratic_form(self.smoothness, neutral),
            "neutral_gradient": weights.neutral_gradient
            * losses.quadratic_form(self.gradient, neutral),
            "corrections": weights.corrections
            * (person.neutral.square().sum() + person.shapes.square().sum()),
            "symmetry": weights.symmetry * losses.symmetry_loss(person.neutral, flips),
        }

    def _skin_losses(self, person: Person) -> dict[str, Tensor]:
        weights = self.weights
        return {
            "dynamic_skin": weights.dynamic_skin
            * person.dynamic_skin.square().mean()
            * self.surface.num_shapes,
            "skin_variation": weights.skin_variation * losses.total_variation(person.skin),
        }


def _levels(name: str) -> list[tuple[str, int]]:
    """The unknowns that a correction is the sum of, and the sides of their maps."""
    return [(f"{name} {side}", side) for side in LEVELS]


def _parts(name: str) -> list[str]:
    """The tensors that an unknown of a stage consists of."""
    return [part for part, _ in _levels(name)] if name in CORRECTIONS else [name]


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
