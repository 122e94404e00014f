"""Measuring what several databases and corrected shapes are worth (Wang et al. 2019, Table 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeface.face_model import default_face_model
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.validation import TEACHER, read_packs
from edgeface.reference.evaluation.figures import measure
from edgeface.reference.evaluation.predictor import open_predictor
from edgeface.reference.evaluation.run import run
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.train import train

DATABASES = ("300w", "expressive", "wider", "video")
"""The databases: the first row of the table has the first, the second the first two, and so on."""
ERROR = "box 51"  # normalised as in the paper, by the root of the box's area
COLUMNS = {
    "300-W, 0-30": ("faces68-300w", "yaw 0 to 30"),
    "30-60": ("faces68-300w", "yaw 30 to 60"),
    "all": ("faces68-300w", "all faces"),
    "video, 0-30": (f"faces68-video{TEACHER}", "yaw 0 to 30"),
    "30-60 ": (f"faces68-video{TEACHER}", "yaw 30 to 60"),
    "all ": (f"faces68-video{TEACHER}", "all faces"),
    "expressive": (f"faces-expressive{TEACHER}", "all faces"),
    "WIDER, 0-30": (f"multiface-wider{TEACHER}", "yaw 0 to 30"),
    "30-60  ": (f"multiface-wider{TEACHER}", "yaw 30 to 60"),
    "all  ": (f"multiface-wider{TEACHER}", "all faces"),
}
"""For each column, a group of the packs' unseen split and a part of it."""
MEAN_OF = ("all", "all ", "expressive", "all  ")


def compare_databases(epochs: int, folder: Path, out: Path, *, workers: int = 0) -> str:
    """Train with and without the correction, on one to four databases, and measure.

    Each training begins with the weights of one on the first database alone and goes on for
    ``epochs``. So do those of the first row, so that all have the same budget. What was trained
    before is not trained again.

    Returns
    -------
    The table in Markdown: NME of the 51 inner points in % of the box.
    """
    images = list(read_packs(folder, default_face_model()))
    lines = [
        "| databases | correction | " + " | ".join(COLUMNS) + " | mean |",
        "|---|---|" + "---:|" * (len(COLUMNS) + 1),
    ]
    for correction in (False, True):
        start = _train(1, correction, epochs, folder, out / f"pre{correction:d}", None, workers)
        for count in range(1, len(DATABASES) + 1):
            place = out / f"{count}{'-corrected' if correction else ''}"
            last = _train(count, correction, epochs, folder, place, start, workers)
            figures = _measure(last, images)
            cells = [f"{figures[name]:.2f}" for name in COLUMNS]
            mean = sum(figures[name] for name in MEAN_OF) / len(MEAN_OF)
            lines.append(
                f"| {' + '.join(DATABASES[:count])} | {'yes' if correction else 'no'} | "
                f"{' | '.join(cells)} | {mean:.2f} |"
            )
    return "\n".join(lines)


def _train(
    count: int,
    correction: bool,
    epochs: int,
    folder: Path,
    out: Path,
    start: Path | None,
    workers: int,
) -> Path:
    recipe = Recipe(
        "fusion", epochs=epochs, batch_size=32, databases=DATABASES[:count], correction=correction
    )
    return train(recipe, folder, out, start, workers=workers)


def _measure(checkpoint: Path, images: list[LabelledImage]) -> dict[str, float]:
    results = [result for result, _ in run(open_predictor(checkpoint), images)]
    groups: dict[str, Any] = measure(results, detects=False)
    return {
        name: groups[group]["landmarks"][part][ERROR] for name, (group, part) in COLUMNS.items()
    }
