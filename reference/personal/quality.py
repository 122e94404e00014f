"""How good a fitted person is, in figures and in words."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from edgeface.personal.template import Template
from edgeface.reference.personal.fit import Fit, Fitter
from edgeface.reference.personal.frames import Frames

SEEN = 0.3
"""A shape counts as shown where some frame has it by so much, and as little shown below."""
LEAST_SHOWN = 0.2
"""Share of the shapes below which hardly any expression is shown."""
COVERED_ERROR, COVERED_SHARE = 0.2, 0.08
"""A frame in which so large a share of the face is off by so much has something in front of it."""
SHADOW_RATIO = 3.0
"""Between the brightest and the darkest tenth of the light on a face in a strong shadow."""
LEAST_COLOUR = 0.01
LEAST_TURN_DEG = 10.0


def unseen_shapes(template: Template, fit: Fit) -> tuple[str, ...]:
    """Names of the shapes that no frame shows by `SEEN`."""
    shown = fit.expression.amax(0)
    return tuple(
        name
        for name, most in zip(template.expression_names, shown.tolist(), strict=True)
        if most < SEEN
    )


def report(
    template: Template, fitter: Fitter, frames: Frames, fit: Fit, refused: dict[str, int]
) -> dict[str, Any]:
    """Errors of the fit, what was shown, and warnings; plain values for a file's header.

    The photometric error is the mean absolute difference of colours, 0 to 255, over the face; the
    landmark error that of the 51 inner landmarks in percent of the distance of the outer eye
    corners.
    """
    drawn = fitter.render(frames, fit)
    mask = (drawn.mask * frames.valid).bool()
    error = (drawn.image - frames.images).abs().mean(-1)
    off = (fitter.landmarks(frames, fit) - frames.landmarks).norm(dim=-1)[:, 17:].mean(1)
    eyes = (frames.landmarks[:, 36] - frames.landmarks[:, 45]).norm(dim=-1)
    return {
        "frames": len(frames),
        "refused": refused,
        "photometric_error": round(float(error[mask].mean()) * 255, 2),
        "landmark_error_percent": round(float((off / eyes).mean()) * 100, 2),
        "shown": {
            name: round(most, 2)
            for name, most in zip(
                template.expression_names, fit.expression.amax(0).tolist(), strict=True
            )
        },
        "warnings": _warnings(template, frames, fit, error, drawn.shading, mask),
    }


def _warnings(
    template: Template, frames: Frames, fit: Fit, error: Tensor, shading: Tensor, mask: Tensor
) -> list[str]:
    found: list[str] = []
    unseen = unseen_shapes(template, fit)
    if len(template.expression_names) - len(unseen) < LEAST_SHOWN * len(template.expression_names):
        found.append(
            f"hardly any expression is shown: {len(unseen)} of {len(template.expression_names)} "
            "shapes stay the template's"
        )
    covered = sum(
        bool((error[b][mask[b]] > COVERED_ERROR).float().mean() > COVERED_SHARE)
        for b in range(len(frames))
    )
    if covered:
        found.append(
            f"something covers the face in {covered} of {len(frames)} frames (a hand, hair, "
            "glasses?), or its skin shines: what other frames do not show is left out"
        )
    if _contrast(shading, mask) > SHADOW_RATIO:
        found.append("strong shadows: they may have become part of the skin")
    if float(frames.images.std(-1).mean()) < LEAST_COLOUR:
        found.append("the pictures are grey: so is the skin")
    if _turns_deg(frames) < LEAST_TURN_DEG:
        found.append("the head hardly turns: how deep the face is is a guess")
    return found


def _contrast(shading: Tensor, mask: Tensor) -> float:
    """The usual ratio of the brightest to the darkest tenth of the light on a face."""
    ratios: list[float] = []
    for light, seen in zip(shading.mean(-1), mask, strict=True):
        if bool(seen.any()):
            ends = torch.quantile(light[seen], torch.tensor([0.1, 0.9]))
            ratios.append(float(ends[1] / ends[0].clamp(min=0.01)))
    return sorted(ratios)[len(ratios) // 2] if ratios else 1.0


def _turns_deg(frames: Frames) -> float:
    """How far yaw ranges."""
    yaw = torch.rad2deg(torch.asin(frames.rotation[:, 0, 2].clamp(-1, 1)))
    return float(yaw.max() - yaw.min())
