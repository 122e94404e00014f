"""Drawing a training run's log."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from edgeface.errors import InvalidInputError


def plot_run(folder: Path, out: Path) -> None:
    """Draw every quantity of ``folder/metrics.csv`` over epochs into one picture.

    Raises
    ------
    InvalidInputError
        If there is no such log, or it is empty.
    """
    path = folder / "metrics.csv"
    if not path.is_file():
        raise InvalidInputError(f"no training log: {path}")
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            epoch = int(row.pop("epoch"))
            row.pop("step")
            for name, value in row.items():
                if value:
                    curves[name].append((epoch + 1, float(value)))
    quantities = sorted({name.split("_", 1)[1] for name in curves})
    if not quantities:
        raise InvalidInputError(f"{path} holds no epoch yet")
    figure, axes = plt.subplots(1, len(quantities), figsize=(3.2 * len(quantities), 2.8),
                                squeeze=False)  # fmt: skip
    for axis, quantity in zip(axes[0], quantities, strict=True):
        for split in ("train", "validation"):
            points = curves.get(f"{split}_{quantity}", [])
            axis.plot([e for e, _ in points], [v for _, v in points], label=split)
        axis.set_title(quantity)
        axis.set_xlabel("epoch")
        axis.set_yscale("log")
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(out, dpi=90)
    plt.close(figure)
