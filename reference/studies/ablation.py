"""Measuring what each part of the papers' recipe is worth, by equal, short trainings."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from edgeface.errors import InvalidInputError
from edgeface.face_model import default_face_model
from edgeface.reference.evaluation.headline import AP50, PHOTOS, headline, judging_images
from edgeface.reference.evaluation.predictor import open_predictor
from edgeface.reference.training.recipe import Labels, Recipe
from edgeface.reference.training.train import train


def _sfn(network: str = "sfn", turned: float = 0.0, disentangle: float = 0.0) -> Recipe:
    return Recipe(network, epochs=1, batch_size=32, precision="bf16-mixed", turned=turned,
                  disentangle=disentangle)  # fmt: skip


def _mfn(network: str = "mfn-9x9", labels: Labels = "teacher") -> Recipe:
    return Recipe(network, epochs=1, batch_size=16, precision="bf16-mixed", labels=labels)


VARIANTS: dict[str, Recipe] = {
    "sfn-single": _sfn("sfn-single"),
    "sfn": _sfn(),
    "sfn-turned": _sfn(turned=0.35),
    "sfn-disentangled": _sfn(disentangle=1.0),
    "mfn-single": _mfn("mfn-single"),
    "mfn-9x9": _mfn(),
    "mfn-boxes": _mfn(labels="boxes"),
    "mfn-weak": _mfn(labels="sfn"),
    "mfn-18x18": _mfn("mfn"),
}
"""The recipes to compare; each differs from ``sfn`` or ``mfn-9x9`` in one thing."""

SCORE_THRESHOLD = 0.1
"""The least score of a detection that counts. After so short a training, few reach the usual one,
and the errors of those few would tell little."""
COLUMNS = {
    AP50: "{:.1f}", "NME-51, %": "{:.2f}", "NME-68, %": "{:.2f}",
    "expression": "{:.4f}", "pose, deg": "{:.2f}", "missed, %": "{:.1f}",
}  # fmt: skip


def ablate(names: list[str], epochs: int, folder: Path, out: Path, *, workers: int = 0) -> str:
    """Train each variant for ``epochs`` and measure it on the unseen split.

    The training of a variant goes on where it was stopped before (`train`).

    Returns
    -------
    The table in Markdown, with a row for each variant.

    Raises
    ------
    InvalidInputError
        If there is no such variant.
    """
    if unknown := [name for name in names if name not in VARIANTS]:
        raise InvalidInputError(
            f"no such variant: {', '.join(unknown)}; there are {', '.join(VARIANTS)}"
        )
    images = judging_images(folder, default_face_model())
    photos = [image for image in images if image.group == PHOTOS]
    lines = ["| variant | " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for name in names:
        recipe = replace(VARIANTS[name], epochs=epochs)
        checkpoint = train(recipe, folder, out / name, workers=workers)
        predictor = replace(open_predictor(checkpoint), score_threshold=SCORE_THRESHOLD)
        # what learned from boxes alone knows no shapes
        figures = headline(predictor, photos if recipe.labels == "boxes" else images)
        cells = [
            form.format(figures[c]) if math.isfinite(figures.get(c, math.nan)) else "-"
            for c, form in COLUMNS.items()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
