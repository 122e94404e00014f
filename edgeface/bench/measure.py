"""Measuring one configuration in a process of its own, ``python -m edgeface.bench.measure``.

The parent writes the settings as JSON to its standard input and reads the record from stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgeface import kernels
from edgeface.backends import Backend, open_backend, threads_for
from edgeface.backends.contents import num_bytes
from edgeface.bench.planted import PlantedBackend, plant_faces, spread_boxes
from edgeface.bench.system import energy_each, energy_joules, peak_memory_mb, resident_mb
from edgeface.image import letterbox, read_image
from edgeface.model import Model
from edgeface.timing import WALL, WARM_UP, stopwatch, time_for
from edgeface.types import Float32Array, ImageArray

BUDGET_S = 1.0
"""The seconds spent on each stage and number of faces."""
MAX_BUCKETS = 60


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Measure one model file with a number of threads and a choice of kernels."""
    path = Path(settings["model"])

    def open_planted() -> tuple[PlantedBackend, Model]:
        planted = PlantedBackend(open_backend(path, threads_for(path, settings["threads"])))
        return planted, Model(cast(Backend, planted), settings["kernels"])

    (planted, model), load_ms = stopwatch(open_planted)
    images = [read_image(name) for name in settings["images"]]
    runs = [_run(model, planted, images, count, settings) for count in settings["faces"]]
    record: dict[str, Any] = {
        "model": model.metadata.name,
        "kind": model.metadata.kind,
        "file_mb": num_bytes(path) / 1e6,
        "threads": settings["threads"],
        "kernels": model.engine.current,
        "load_ms": load_ms,
        "resident_mb": resident_mb(),
        "faces": runs,
    }
    if settings["minutes"] > 0:
        record["sustained"] = sustained(model, images, settings["minutes"])
    record["peak_memory_mb"] = peak_memory_mb()
    return record


def _run(
    model: Model,
    planted: PlantedBackend,
    images: list[ImageArray],
    count: int,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Measure whole runs and their stages with ``count`` faces."""
    image = images[0]
    budget = settings.get("budget_s", BUDGET_S)
    energy = energy_joules()
    if not model.metadata.detects:
        boxes = spread_boxes(count, image.shape[1], image.shape[0])
        # such a network takes the size of its batch from the number of boxes
        whole = timed(lambda i: model.run(images[i % len(images)], boxes_xyxy=boxes), budget)
        spent = energy_joules()
        found, stages = count, {"run": whole}
    else:
        planted.heads = plant_faces(model.metadata, count)
        whole = timed(
            lambda i: model.run(images[i % len(images)], look_again=False, detail="fast"), budget
        )
        spent = energy_joules()
        found = len(model.run(image, look_again=False, detail="fast"))
        stages = {"run": whole, **_stages(model, planted.backend, planted.heads, image, budget)}
    runs = WARM_UP + whole["rounds"]
    return {
        "count": count,
        "found": found,
        "per_second": 1e3 / whole["median_ms"],
        "energy_per_run_j": energy_each(energy, spent, runs),
        "stages": stages,
    }


def _stages(
    model: Model,
    backend: Backend,
    heads: dict[str, Float32Array],
    image: ImageArray,
    budget: float,
) -> dict[str, Any]:
    """Measure each stage of an mfn alone, and the stages after the network together."""
    engine, metadata = model.engine.current, model.metadata
    anchors = np.array(metadata.anchors, np.float32)
    tensor, placement = letterbox(image, metadata.input_size, engine)
    score, iou = metadata.score_threshold, metadata.iou_threshold
    basis = kernels.Basis.from_shapes(*model.face_model.landmark_shapes)
    place = np.concatenate([placement.scale, placement.offset])[None]
    single = {name: head[0] for name, head in heads.items()}

    def decode(_: int) -> Any:
        return kernels.decode_candidates(
            single["detection"],
            anchors,
            metadata.stride,
            score,
            cell_range=metadata.cell_range,
            engine=engine,
        )

    boxes, scores, _ = decode(0)
    found = kernels.find_faces(
        single,
        anchors,
        metadata.stride,
        score,
        iou,
        method="weighted",
        cell_range=metadata.cell_range,
        engine=engine,
    )

    def landmarks(_: int) -> Any:
        raw = found.identity, found.expression, found.pose
        return kernels.pose_faces(basis, found.boxes_xyxy, *raw, place, engine=engine)

    stages: dict[str, Callable[[int], Any]] = {
        "resize": lambda _: letterbox(image, metadata.input_size, engine),
        "network": lambda _: backend.infer(tensor[None]),
        "decode": decode,
        "nms": lambda _: kernels.suppress(boxes, scores, iou, method="weighted", engine=engine),
        "landmarks": landmarks,
        "post-processing": lambda _: model.decode(single, placement, score, iou),
    }
    return {name: timed(stage, budget) for name, stage in stages.items()}


def timed(function: Callable[[int], Any], budget_s: float) -> dict[str, Any]:
    """Time a function."""
    timing = time_for(function, budget_s)
    low, median, high = timing.quartiles_ms
    return {
        "median_ms": median,
        "q25_ms": low,
        "q75_ms": high,
        "rounds": timing.rounds,
        "waited": timing.waited,
    }


def sustained(model: Model, images: list[ImageArray], minutes: float) -> dict[str, Any]:
    """Run without a pause; returns medians over time, and the last tenth over the first."""
    end = WALL() + 60 * minutes
    times: list[float] = []
    start = energy_joules()
    # one pass of a network that detects; others have no second
    options: dict[str, Any] = (
        {"look_again": False, "detail": "fast"} if model.metadata.detects else {}
    )
    while WALL() < end or not times:
        image = images[len(times) % len(images)]
        times.append(stopwatch(lambda image=image: model.run(image, **options))[1])
    spent = energy_joules()
    buckets = np.array_split(np.array(times), min(MAX_BUCKETS, len(times)))
    medians = [float(np.median(bucket)) for bucket in buckets]
    edge = max(1, len(medians) // 10)
    return {
        "minutes": minutes,
        "runs": len(times),
        "median_ms": medians,
        "slow_down": float(np.median(medians[-edge:]) / np.median(medians[:edge])),
        "energy_per_run_j": energy_each(start, spent, len(times)),
    }


if __name__ == "__main__":
    json.dump(measure(json.load(sys.stdin)), sys.stdout)
