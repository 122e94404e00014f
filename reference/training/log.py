"""Reading and drawing the log of a training run."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from edgeface.errors import InvalidInputError
from edgeface.reference.figure_files import save_figure


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
        If no epoch was logged.
    """
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    paths = folder.glob("log/version_*/metrics.csv")
    for path in sorted(paths, key=lambda p: int(p.parent.name.removeprefix("version_"))):
        with path.open(newline="") as stream:
            for row in csv.DictReader(stream):
                epoch = int(row.pop("epoch"))
                row.pop("step")
                for name, value in row.items():
                    if value:
                        curves[name][epoch] = float(value)
    if not curves:
        raise InvalidInputError(f"no training log under {folder}")
    return curves
