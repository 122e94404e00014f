"""Draw how a rendered person is fitted: ``python docs/draw_personal.py OUT.png``.

The first rows are frames that the person was fitted to, taken apart. Then the fitted neutral face
and the true one from the front to the side, and some of the fitted shapes at 1.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from edgeface.personal.model import PersonalModel
from edgeface.personal.rendering import portrait
from edgeface.personal.template import default_template
from edgeface.reference.personal.enrol import Enrolment, to_model
from edgeface.reference.personal.fit import Fit, Fitter
from edgeface.reference.personal.pictures import fitted_frames
from edgeface.reference.personal.rendered import render_person

NUM_FRAMES, FRAMES_SHOWN, SEED = 20, (1, 4), 2024
SKIN_SPREAD = 0.02
"""Of the blotches, which are stronger on the people that fits are judged by."""
VIEWS = ((0, False), (35, False), (70, False), (35, True), (70, True))
"""Turned by degrees, and whether without skin."""
SHAPES = (
    ("jawOpen",),
    ("mouthSmile_L", "mouthSmile_R"),
    ("mouthPucker",),
    ("browDown_L", "browDown_R"),
    ("cheekPuff_L", "cheekPuff_R"),
)
TILE_PX, CAPTION_PX = 150, 16


def main() -> None:
    """Fit and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out")
    out = parser.parse_args().out
    template = default_template()
    fitter = Fitter(template)
    random = np.random.default_rng(SEED)
    truth = render_person(template, fitter.surface, NUM_FRAMES, random, SKIN_SPREAD)
    fit = fitter.fit(truth.frames)
    model = to_model(template, fitter, truth.frames, fit, {})
    true_fit = Fit(
        truth.person, fit.rotation, fit.translation, truth.expression, fit.light, fit.shadow
    )
    true_model = to_model(template, fitter, truth.frames, true_fit, {})
    shown = fitted_frames(Enrolment(model, fitter, truth.frames, fit))
    rows = [[_tile(p, name) for name, p in shown[row].pictures.items()] for row in FRAMES_SHOWN]
    rows += [_views(model, "fitted"), _views(true_model, "true"), _shapes(model)]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    Image.fromarray(picture).save(out, optimize=True)


def _views(person: PersonalModel, label: str) -> list[Any]:
    none = np.zeros(len(person.template.expression_names), np.float32)
    return [
        _tile(portrait(person, none, yaw_deg=yaw, size=TILE_PX, clay=clay), f"{label}, {yaw} deg")
        for yaw, clay in VIEWS
    ]


def _shapes(person: PersonalModel) -> list[Any]:
    names = person.template.expression_names
    tiles: list[Any] = []
    for parts in SHAPES:
        weights = np.array([name in parts for name in names], np.float32)
        caption = parts[0].removesuffix("_L") + " at 1"
        tiles.append(_tile(portrait(person, weights, yaw_deg=15, size=TILE_PX), caption))
    return tiles


def _tile(picture: Any, caption: str) -> Any:
    tile = Image.new("RGB", (TILE_PX, TILE_PX + CAPTION_PX), "white")
    resized = Image.fromarray(picture).resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC)
    tile.paste(resized, (0, CAPTION_PX))
    ImageDraw.Draw(tile).text((4, 2), caption, fill="black")
    return np.asarray(tile)


if __name__ == "__main__":
    main()
