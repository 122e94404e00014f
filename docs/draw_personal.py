"""Draw how a rendered person is fitted: ``python docs/draw_personal.py OUT.png``.

Rows are frames that the person was fitted to: the picture, the fitted person in it, the shape alone
and the skin alone. The last two rows are the neutral face from the front to the side, and its
shape alone: fitted, then true.
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image

from edgeface.personal.rendering import portrait
from edgeface.personal.template import default_template
from edgeface.reference.personal.enrol import Enrolment, to_model
from edgeface.reference.personal.fit import Fit, Fitter
from edgeface.reference.personal.pictures import fitted_frames
from edgeface.reference.personal.rendered import render_person

NUM_FRAMES, NUM_ROWS, SEED = 20, 3, 2020
VIEWS_DEG = (0, 35, 70)
TILE_PX = 150


def main() -> None:
    """Fit and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out")
    out = parser.parse_args().out
    template = default_template()
    fitter = Fitter(template)
    truth = render_person(template, fitter.surface, NUM_FRAMES, np.random.default_rng(SEED))
    fit = fitter.fit(truth.frames)
    model = to_model(template, fitter, truth.frames, fit, {})
    frames = fitted_frames(Enrolment(model, fitter, truth.frames, fit))[1 : NUM_ROWS + 1]
    rows = [[*frame.pictures.values()] for frame in frames]
    true_fit = Fit(truth.person, fit.rotation, fit.translation, truth.expression, fit.light)
    true_model = to_model(template, fitter, truth.frames, true_fit, {})
    none = np.zeros(len(template.expression_names), np.float32)
    for person in (model, true_model):
        rows.append([portrait(person, none, yaw_deg=-yaw, size=TILE_PX) for yaw in VIEWS_DEG])
        rows[-1].append(portrait(person, none, yaw_deg=-35, size=TILE_PX, clay=True))
    tiles = [[_tile(picture) for picture in row] for row in rows]
    Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in tiles])).save(out)


def _tile(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    main()
