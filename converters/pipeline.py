"""`convert`: one checkpoint to files of several formats and precisions, each one verified."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.compare import Comparison
from edgeface.converters.images import calibration_inputs, read_images
from edgeface.converters.quiet import silenced
from edgeface.converters.verify import Image, NetworkBackend, open_written, parity_entry, verify
from edgeface.errors import (
    BackendUnavailableError,
    ConversionError,
    InvalidInputError,
    ParityError,
)
from edgeface.image import read_image
from edgeface.metadata import Metadata
from edgeface.model import DEMO_PHOTO, Model, load
from edgeface.output import PREFIX, refuse_inputs, replace_file
from edgeface.reference.checkpoint import TrainedNetwork, load_network
from edgeface.reference.config import NetworkConfig
from edgeface.reference.data.crops import CROP_SCALE
from edgeface.reference.equalise import equalised
from edgeface.reference.predict import IOU_THRESHOLD, SCORE_THRESHOLD

FORMATS = {
    "onnx": "edgeface.converters.to_onnx",
    "tflite": "edgeface.converters.to_tflite",
    "coreml": "edgeface.converters.to_coreml",
    "pt2": "edgeface.converters.to_pt2",
}
"""Name of a format to the module that writes it: `export` once, then `lower`, `describe` and
`save` for each of its PRECISIONS; those in CALIBRATED need photos. With ANY_SIZE, an MFN's file
takes inputs of several sizes."""
PRECISIONS = ("fp32", "fp16", "int8", "w8", "palette")

MAX_CALIBRATION = 200
MAX_VERIFICATION = 24
LATENCY_RUNS = 20

LICENCE = "research use only (trained on 300-W and WIDER FACE)"
UNSEEN = (
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "jawForward", "noseSneerLeft",
    "noseSneerRight",
)  # fmt: skip
"""Expressions that the teacher of the shipped weights never scores above zero."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Written:
    """One file that `convert` wrote.

    Attributes
    ----------
    path, format, precision : what it is
    num_bytes : of the file, or of all files of a package
    metadata : as it is in the file; ``graph`` and ``parity`` are the report
    comparison : with the PyTorch network
    latency_ms : median of the network on one thread here; NaN where it cannot run
    """

    path: Path
    format: str
    precision: str
    num_bytes: int
    metadata: Metadata
    comparison: Comparison
    latency_ms: float


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    formats: Sequence[str] = ("onnx",),
    precisions: Sequence[str] = ("fp32",),
    calibration: str | os.PathLike[str] | None = None,
    keep: bool = False,
    input_size: int | None = None,
    progress: Progress = lambda step: None,
) -> list[Written]:
    """Convert a training checkpoint; every file is reopened and held against the network.

    Parameters
    ----------
    checkpoint : of ``edgeface-train``
    out : folder for the files, ``KIND.SUFFIX`` or ``KIND-PRECISION.SUFFIX``
    formats : of `FORMATS`
    precisions : of fp32, fp16, int8, w8, palette; each format writes those that it has
    calibration : folder of real photos (of faces for an SFN); int8 needs it. Four in five set the
        ranges, the rest verify, beside the demo photo.
    keep : leave a file that fails verification where it is
    input_size : side of the square that an MFN sees, px, a multiple of 32; by default the one it
        was trained for. The files are then called ``mfn-SIZE``.
    progress : is told each step

    Returns
    -------
    list of `Written`

    Raises
    ------
    InvalidInputError
        Unknown format, precision or size, a combination of which nothing is left, an absent file,
        int8 without photos, a folder without images.
    ModelFormatError
        If the checkpoint is damaged or another project's.
    BackendUnavailableError
        If a format's library is missing; the message names the remedy.
    ConversionError
        If an exporter fails or the folder cannot be written.
    ParityError
        If a file is over the limits (`edgeface.compare.LIMITS`). It is removed; files finished
        before it stay.
    """
    plan = _plan(formats, precisions, calibration is not None)
    trained = load_network(checkpoint)
    if input_size is not None:
        trained = _at_size(trained, input_size)
    metadata = describe(trained)
    images = [] if calibration is None else read_images(calibration, MAX_CALIBRATION)
    calibrating, verifying = split(images)
    inputs, smooth = None, trained
    if any(precision in module.CALIBRATED for _, module, precision in plan):
        model = Model(NetworkBackend(trained, metadata))
        inputs = calibration_inputs(model, calibrating)
        smooth = equalised(trained, inputs)
    folder = Path(out)
    exported: dict[str, Any] = {}
    written: list[Written] = []
    for number, (name, module, precision) in enumerate(plan, start=1):
        step = f"[{number}/{len(plan)}] {name} {precision}"
        if name not in exported:
            progress(f"{step}: exporting")
            exported = {name: module.export(smooth, metadata)}  # one format's at a time
        progress(f"{step}: converting")
        model = module.lower(exported[name], precision, inputs)
        stated = replace(
            metadata,
            precision=precision,
            graph=module.describe(model),
            any_size=module.ANY_SIZE and metadata.detects,
        )
        target = folder / (_stem(trained, input_size, precision) + module.SUFFIX)
        refuse_inputs(target, (checkpoint,))
        progress(f"{step}: verifying")
        written.append(_write(module, model, stated, trained, target, verifying, keep, name))
    return written


def _plan(
    formats: Sequence[str], precisions: Sequence[str], calibrated: bool
) -> list[tuple[str, Any, str]]:
    """Format, its module and precision of every file to write."""
    for kind, wanted, known in (
        ("format", formats, FORMATS), ("precision", precisions, PRECISIONS)
    ):  # fmt: skip
        for name in wanted:
            if name not in known:
                raise InvalidInputError(f"no {kind} {name!r}; known are {', '.join(known)}")
    plan: list[tuple[str, Any, str]] = []
    for name in formats:
        module = _module(name)
        plan += [(name, module, p) for p in precisions if p in module.PRECISIONS]
    if not plan:
        raise InvalidInputError(
            f"nothing to write: none of {', '.join(formats)} has {', '.join(precisions)}"
        )
    needing = [f"{name} {p}" for name, module, p in plan if p in module.CALIBRATED]
    if needing and not calibrated:
        raise InvalidInputError(
            f"{needing[0]} needs real photos to set its ranges: give a folder as calibration "
            "(--calibration DIR), or leave int8 out"
        )
    return plan


def _module(name: str) -> Any:
    try:
        with silenced():
            return importlib.import_module(FORMATS[name])
    except ImportError as error:
        raise BackendUnavailableError(
            f"converting to {name} needs {error.name}: pip install 'edgeface[convert]'"
        ) from error


def describe(trained: TrainedNetwork) -> Metadata:
    """What a file made from this network shall say of itself."""
    config = trained.config
    is_mfn = config.kind == "mfn"
    return Metadata(
        kind=config.kind,
        name=_name(config),
        input_size=config.input_size,
        expression_names=trained.face_model.expression_names,
        face_model_sha256=trained.face_model.sha256,
        licence=LICENCE,
        stride=config.stride,
        anchors=config.anchors,
        score_threshold=SCORE_THRESHOLD if is_mfn else 0.0,
        iou_threshold=IOU_THRESHOLD if is_mfn else 0.0,
        crop_scale=0.0 if is_mfn else CROP_SCALE,
        unseen_expressions=UNSEEN,
        training={"epochs": trained.epoch + 1, "recipe": trained.recipe},
    )


def _name(config: NetworkConfig) -> str:
    if config.kind == "fusion":
        return "fusion"
    return f"{config.kind} {'multi-scale' if config.multi_scale else 'single-scale'}"


def _at_size(trained: TrainedNetwork, input_size: int) -> TrainedNetwork:
    if trained.config.kind != "mfn":
        raise InvalidInputError(
            f"only an mfn's input may have another size, not that of the kind {trained.config.kind}"
        )
    return replace(trained, config=replace(trained.config, input_size=input_size))


def _stem(trained: TrainedNetwork, input_size: int | None, precision: str) -> str:
    config = trained.config
    single = "" if config.multi_scale or config.kind == "fusion" else "-single"
    size = "" if input_size is None else f"-{input_size}"
    return config.kind + single + size + ("" if precision == "fp32" else f"-{precision}")


def split(images: list[Image]) -> tuple[list[Image], list[Image]]:
    """Four in five for calibration; the others, and the demo photo, for verification."""
    held = images[4::5]
    used = [image for i, image in enumerate(images) if i % 5 != 4]
    return used, [("the demo photo", read_image(DEMO_PHOTO)), *held[:MAX_VERIFICATION]]


def _write(
    module: Any,
    model: Any,
    metadata: Metadata,
    trained: TrainedNetwork,
    target: Path,
    images: list[Image],
    keep: bool,
    name: str,
) -> Written:
    """Save beside the target, verify, state the parity, and only then take the target's name."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=target.parent) as folder:
            draft = Path(folder) / target.name
            module.save(model, metadata, trained.face_model, draft)
            try:
                comparison = verify(trained, draft, images)
            except ParityError:
                if keep:
                    replace_file(draft, target)
                raise
            latency = _latency_ms(draft)
            metadata = replace(metadata, parity=parity_entry(comparison, images))
            final = Path(folder) / f"final-{target.name}"
            module.save(model, metadata, trained.face_model, final)
            if open_written(final).metadata != metadata:
                raise ConversionError(f"{target.name} does not give its metadata back")
            replace_file(final, target)
    except OSError as error:
        raise ConversionError(f"cannot write {target}: {error}") from error
    return Written(
        target, name, metadata.precision, _num_bytes(target), metadata, comparison, latency
    )


def _num_bytes(path: Path) -> int:
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _latency_ms(path: Path) -> float:
    """Median on one thread; NaN for what only the slow executor runs here."""
    if path.suffix == ".mlpackage" and sys.platform != "darwin":
        return float("nan")
    model = load(path, num_threads=1)
    size = model.metadata.input_size
    image: NDArray[np.uint8] = np.zeros((1, size, size, 3), np.uint8)
    times: list[float] = []
    for _ in range(LATENCY_RUNS):
        start = time.perf_counter()
        model.infer(image)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times[LATENCY_RUNS // 4 :]))
