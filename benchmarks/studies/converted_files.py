"""The table of ``docs/how-to/convert.md``.

    python -m benchmarks.studies.converted_files FOLDER --data DIR

Every model file of the folder is evaluated on the validation split and timed. Accuracies are kept
in ``FOLDER/report.json`` by the file's hash, so that an interrupted run goes on where it was and
only new files cost time; latencies are measured anew, all files in turns within one run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgeface.backends import BACKENDS
from edgeface.converters.verify import open_written
from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.model import Model, load
from edgeface.output import write_output
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.packs import data_dir
from edgeface.reference.evaluation.headline import AP50, headline, judging_images
from edgeface.reference.evaluation.predictor import model_predictor
from edgeface.timing import take_turns

ROUNDS = 12
CALLS = 8
COLUMNS = {
    "MB": "{:.2f}", "weights MB": "{:.2f}", "landmarks %": "{:.4f}", "least dB": "{:.1f}",
    AP50: "{:.2f}", "NME-51, %": "{:.3f}", "expression": "{:.4f}", "pose, deg": "{:.2f}",
    "ms, 1 thread": "{:.2f}", "ms, 2 threads": "{:.2f}",
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.converted_files")
    parser.add_argument("folder", type=Path, help="model files, as edgeface convert writes them")
    parser.add_argument("--data", help="folder of the data packs (default: EDGEFACE_DATA)")
    arguments = parser.parse_args(argv)
    try:
        print(table(arguments.folder, data_dir(arguments.data)))
    except EdgeFaceError as error:
        print(f"converted_files: {error}", file=sys.stderr)
        return 1
    return 0


def table(folder: Path, data: Path) -> str:
    """The table in Markdown, a row a file."""
    paths = sorted(p for p in folder.iterdir() if p.suffix in BACKENDS)
    if not paths:
        raise InvalidInputError(f"{folder} holds no model files")
    images: list[LabelledImage] = []
    rows: dict[Path, dict[str, float]] = {}
    for path in paths:
        rows[path] = _stated(path) | _accuracy(path, data, images, folder / "report.json")
    for threads, column in ((1, "ms, 1 thread"), (2, "ms, 2 threads")):
        for path, latency in _latencies_ms(paths, threads).items():
            rows[path][column] = latency
    lines = [
        "| file | " + " | ".join(COLUMNS) + " |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for path, row in rows.items():
        cells = [
            form.format(row[name]) if math.isfinite(row.get(name, math.nan)) else "-"
            for name, form in COLUMNS.items()
        ]
        lines.append(f"| `{path.name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _stated(path: Path) -> dict[str, float]:
    """Size, and the differences from PyTorch that the file's own metadata tells."""
    metadata = open_written(path).metadata
    parity = metadata.parity
    return {
        "MB": sum(len(content) for content in _contents(path)) / 1e6,
        "weights MB": sum(metadata.graph.get("layer_bytes", {}).values()) / 1e6,
        "landmarks %": float(parity.get("landmarks %", math.nan)),
        "least dB": min((v for k, v in parity.items() if k.endswith(" dB")), default=math.nan),
    }


def _contents(path: Path) -> list[bytes]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return [file.read_bytes() for file in files]


def _accuracy(path: Path, data: Path, images: list[LabelledImage], store: Path) -> dict[str, float]:
    """Errors on the validation split; from the store where this very file is in it.

    The split is read into ``images`` by the first file that needs it.
    """
    known: dict[str, dict[str, float]] = {}
    if store.exists():
        known = json.loads(store.read_text())
    key = hashlib.sha256(b"".join(_contents(path))).hexdigest()
    if key not in known:
        print(f"evaluating {path.name}", file=sys.stderr, flush=True)
        model = open_written(path)
        if not images:
            images += judging_images(data, model.face_model)
        known[key] = headline(model_predictor(model), images)
        write_output(store, json.dumps(known, indent=1))
    return known[key]


def _latencies_ms(paths: list[Path], num_threads: int) -> dict[Path, float]:
    """Median of the network alone, batch 1; the files take turns so that load hits all alike."""
    runnable = [p for p in paths if p.suffix != ".mlpackage" or sys.platform == "darwin"]
    calls = {path: _network_call(load(path, num_threads=num_threads)) for path in runnable}
    timings = take_turns(calls, ROUNDS, calls_a_turn=CALLS, warm_up=0)
    return {path: timing.median_ms for path, timing in timings.items()}


def _network_call(model: Model) -> Callable[[], object]:
    size = model.metadata.input_size
    image = np.full((1, size, size, 3), 127, np.uint8)
    return lambda: model.infer(image)


if __name__ == "__main__":
    sys.exit(main())
