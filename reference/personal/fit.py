"""Fitting a person to frames: motion and light a frame, one face and one skin for all."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from edgeface.personal.template import Template
from edgeface.reference.personal import losses
from edgeface.reference.personal.frames import Frames, uncovered
from edgeface.reference.personal.person import (
    Blendshapes,
    Person,
    Surface,
    albedo,
    blendshapes,
    sample_corrections,
)
from edgeface.reference.personal.render import Rendering, render, sample
from edgeface.reference.personal.schedule import (
    CORRECTIONS,
    RATES,
    READING_STAGES,
    STAGES,
    Stage,
    Weights,
)
from edgeface.reference.personal.shadow import estimate_shadow, shadow_factor
from edgeface.reference.personal.skin import (
    dynamic_skin,
    estimate_light,
    halved,
    mean_skin,
    shading_of,
    toned,
    unwrap,
    usual_skin,
)
from edgeface.reference.personal.unknowns import (
    PER_FRAME,
    camera_of,
    in_camera,
    motion_of,
    parts_of,
    person_of,
    start_of,
)

JAW_WEIGHT = 0.3
"""Of the 17 points of the jaw line, which slide along the cheeks as the head turns."""
TEMPLATE_TRUST = 0.05
"""Of the template's skin beside the frames', which count up to 1 each."""
MANY_FRAMES, HALVES = 16, (slice(0, None, 2), slice(1, None, 2))
"""Of so many frames or more, a step draws every other one, in turns."""


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
        unknowns = start_of(frames, person, self.surface)
        done, total = 0, sum(stage.steps for stage in stages)
        terms: dict[str, Tensor] = {}
        seen = False
        for stage in stages:
            if stage.pictures and not seen:
                frames = self._start_skin(frames, unknowns, keep="skin" not in stage.unknowns)
                seen = True
            surface = self.surface if stage.pictures else self.points
            moving = set(CORRECTIONS).intersection(stage.unknowns)
            fixed = None if moving else sample_corrections(surface, person_of(unknowns))
            active = [
                {"params": [unknowns[p].requires_grad_() for p in parts_of(n)], "lr": RATES[n]}
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
        motion = motion_of(frames, unknowns)
        fitted = person_of(unknowns)
        figures = {name: float(term.detach()) for name, term in terms.items()}
        return Fit(fitted, *motion, unknowns["light"], unknowns["shadow"], figures)

    def read(self, frames: Frames, person: Person) -> Fit:
        """Take a person's skin from the frames in closed form; their shapes stay as they are.

        Only pose and expression are fitted, to the points. What the static skin leaves over becomes
        the dynamic one.
        """
        fit = self.fit(frames, person=person, stages=READING_STAGES)
        colour, normal, weight = self.unwrapped(frames, fit)
        shading = shading_of(normal, fit.light) * shadow_factor(fit.shadow)[:, 0, ..., None]
        static = (self.surface.albedo + fit.person.skin).permute(1, 2, 0)
        # a texel tells of its skin by the square of its shading; four make one of the dynamic maps
        certainty = halved(shading.square() * weight[..., None])
        residual = halved((colour - static * shading) * shading * weight[..., None])
        dynamic = dynamic_skin(
            residual / certainty.clamp(min=1e-4),
            certainty,
            fit.expression,
            self.surface.attention[:, 0],
        )
        return replace(fit, person=replace(fit.person, dynamic_skin=dynamic))

    def render(self, frames: Frames, fit: Fit) -> Rendering:
        """What the fitted person looks like in each frame."""
        with torch.no_grad():
            shapes = blendshapes(self.surface, fit.person)
            vertices = in_camera(shapes, fit.rotation, fit.translation, fit.expression)
            skin = albedo(self.surface, fit.person, fit.expression)
            return self._rendered(frames, vertices, skin, fit.light, fit.shadow)

    def landmarks(self, frames: Frames, fit: Fit) -> Tensor:
        """The fitted person's 68 landmarks in each frame, shape (B, 68, 2), px."""
        with torch.no_grad():
            shapes = blendshapes(self.surface, fit.person)
            vertices = in_camera(shapes, fit.rotation, fit.translation, fit.expression)
            return camera_of(frames).project(vertices[:, self.surface.landmarks])[..., :2]

    def unwrapped(self, frames: Frames, fit: Fit) -> tuple[Tensor, Tensor, Tensor]:
        """What each frame shows of the fitted person at each texel; see `skin.unwrap`."""
        shapes = blendshapes(self.surface, fit.person)
        vertices = in_camera(shapes, fit.rotation, fit.translation, fit.expression)
        return _unwrapped(self.surface, frames, vertices)

    def _start_skin(self, frames: Frames, unknowns: dict[str, Tensor], *, keep: bool) -> Frames:
        """Light and, unless it is to be kept, skin, in turns, for the shapes and poses so far.

        Returns the frames without what covers the face: pixels that are far from what it looks like
        in the other frames. Skin and light are estimated once more without them.
        """
        shapes = blendshapes(self.surface, person_of(unknowns))
        vertices = in_camera(shapes, *motion_of(frames, unknowns))
        template = self.surface.albedo
        for last in (False, True):
            seen = colour, normal, weight = _unwrapped(self.surface, frames, vertices)
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

    def _rendered(
        self, frames: Frames, vertices: Tensor, skin: Tensor, light: Tensor, shadow: Tensor
    ) -> Rendering:
        surface = self.surface
        skin = skin * shadow_factor(shadow)
        return render(vertices, surface.triangles, surface.uv, skin, light, camera_of(frames))

    def _losses(
        self, frames: Frames, unknowns: dict[str, Tensor], surface: Surface, fixed: Tensor | None
    ) -> dict[str, Tensor]:
        """The weighted terms; pictures count where ``surface`` is the whole one."""
        weights = self.weights
        person = person_of(unknowns)
        shapes = blendshapes(surface, person, fixed)
        rotation, translation, expression = motion_of(frames, unknowns)
        vertices = in_camera(shapes, rotation, translation, expression)
        unit = 112 / frames.images.shape[1]  # the weights are of points in crops of 112 px
        points = camera_of(frames).project(vertices)[..., :2]
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


def _unwrapped(surface: Surface, frames: Frames, vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    points = camera_of(frames).project(vertices)
    return unwrap(surface, vertices, points, frames.images, frames.valid)
