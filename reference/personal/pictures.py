"""Pictures of a fit: each frame beside what the fitted person looks like in it."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from edgeface.personal.page import FittedFrame
from edgeface.reference.personal.enrol import Enrolment
from edgeface.reference.personal.render import ambient_light
from edgeface.types import ImageArray

MOST_SHOWN = 8
CLAY = 0.75
AMBIENT, FRONT = 0.75, 0.5
"""The light on a shape that is shown alone: from everywhere, and from the camera."""


def fitted_frames(enrolment: Enrolment) -> list[FittedFrame]:
    """Up to `MOST_SHOWN` frames, evenly spread, as `edgeface.personal.page` shows them."""
    count = len(enrolment.frames)
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST_SHOWN)).round().astype(int))
    drawn = enrolment.fitter.render(enrolment.frames, enrolment.fit)
    soft = ambient_light(count, AMBIENT)
    soft[:, 2] -= FRONT
    shape = enrolment.fitter.render(enrolment.frames, replace(enrolment.fit, light=soft)).shading
    found: list[FittedFrame] = []
    for row in rows.tolist():
        frame, mask = enrolment.frames.images[row], drawn.mask[row][..., None]
        found.append(
            FittedFrame(
                {
                    "frame": _uint8(frame),
                    "reconstruction": _uint8(drawn.image[row].where(mask, frame)),
                    "shape alone": _uint8(shape[row] * CLAY),
                    "skin alone": _uint8(drawn.albedo[row].where(mask, drawn.albedo[row] * 0)),
                    "light alone": _uint8(drawn.shading[row] * CLAY),
                }
            )
        )
    return found


def _uint8(image: Tensor) -> ImageArray:
    return (image.clamp(0, 1) * 255).round().numpy().astype(np.uint8)
