"""Reading and drawing the log of a training run."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from edgeface.errors import InvalidInputError
from edgeface.reference.figure_files import save_figure

SPLITS = ("train_", "validation_")
"""How the names of quantities begin."""


def plot_run(folder: Path, out: Path) -> None:
    """Draw every quantity of a run's logs over epochs into one picture.

    Raises
    ------
    InvalidInputError
        If there is no such log, or it is empty.
    """
    curves = read_log(folder)
    quantities = sorted({name.split("_", 1)[1] for name in curves})
    figure, axes = plt.subplots(1, len(quantities), figsize=(3.2 * len(quantities), 2.8),
                                squeeze=False)  # fmt: skip
    for axis, quantity in zip(axes[0], quantities, strict=True):
        for split in ("train", "validation"):
            points = curves.get(f"{split}_{quantity}", {})
            axis.plot([epoch + 1 for epoch in points], list(points.values()), label=split)
        axis.set_title(quantity)
        axis.set_xlabel("epoch")
        axis.set_yscale("log")
    axes[0][0].legend()
    figure.tight_layout()
    save_figure(figure, out, dpi=90)
    plt.close(figure)


def read_log(folder: Path) -> dict[str, dict[int, float]]:
    """Every quantity of a run by 0-based epoch; of an epoch that was run twice, the last one.

    Raises
    ------
    InvalidInputError
        If no epoch was logged, or a log is damaged.
    """
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    paths = [p for p in folder.glob("log/version_*/metrics.csv") if _version(p).isdecimal()]
    for path in sorted(paths, key=lambda p: int(_version(p))):
        try:
            with path.open(newline="", encoding="utf-8") as stream:
                for row in csv.DictReader(stream):
                    _add(row, curves)
        except (OSError, KeyError, ValueError, csv.Error) as error:
            raise InvalidInputError(f"{path} is no log of a training: {error!r}") from error
    if not curves:
        raise InvalidInputError(f"no training log under {folder}")
    return curves


def _version(path: Path) -> str:
    return path.parent.name.removeprefix("version_")


def _add(row: dict[Any, Any], curves: dict[str, dict[int, float]]) -> None:
    """Add a row's values to the curves; ValueError or KeyError if it is none of a log's."""
    if None in row:
        raise ValueError("a row has more values than the first")
    if None in row.values():  # the run was killed while it wrote the row
        return
    epoch = int(row["epoch"])
    for name, value in row.items():
        if name.startswith(SPLITS) and value:
            curves[name][epoch] = float(value)
