"""`convert` turns a checkpoint into verified files of several formats and precisions."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeface.converters.fold import folded
from edgeface.converters.formats import Format, find_format
from edgeface.converters.images import calibration_inputs, read_images
from edgeface.converters.metadata import file_stem, network_metadata
from edgeface.converters.verify import Image, NetworkBackend
from edgeface.converters.writing import Job, Written, write
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.image import read_image
from edgeface.metadata import MAX_INPUT_SIZE, PRECISIONS, SIZE_STEP
from edgeface.model import DEMO_PHOTO, Model
from edgeface.output import folder_of, refuse_inputs
from edgeface.reference.networks.checkpoint import TrainedNetwork, load_network
from edgeface.reference.networks.equalise import equalised
from edgeface.values import Whole, option

MOST_DENSE_BYTES = 1_000_000
"""The largest dense mesh that a file carries unless asked to. A larger one would be most of a file,
and few need it."""
MAX_CALIBRATION = 200
MAX_VERIFICATION = 24

Progress = Callable[[str], None]


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    formats: Sequence[str] = ("onnx",),
    precisions: Sequence[str] = ("fp32",),
    calibration: str | os.PathLike[str] | None = None,
    keep: bool = False,
    input_size: int | None = None,
    progress: Progress = lambda step: None,
    dense: bool | None = None,
) -> list[Written]:
    """Convert a training checkpoint; every file is opened again and held against the network.

    Parameters
    ----------
    checkpoint : a checkpoint that ``edgeface-train`` wrote, or the name of a network that ships
    out : the folder for the files, which are called ``KIND.SUFFIX`` or ``KIND-PRECISION.SUFFIX``;
        those of a network that ships have its name in place of the kind
    formats : names of `FORMATS`
    precisions : fp32, fp16, int8, w8 or palette; each format writes those of them that it has
    calibration : a folder of real photos, which int8 needs. Four in five of them set the ranges;
        the others verify the files, together with the demo photo.
    keep : whether a file that fails verification stays in the folder
    input_size : the side of the square that an MFN sees, px, a multiple of 32; by default it is the
        one that the network was trained for. With another, the files are called ``mfn-SIZE``.
    progress : a function that is told each step as it begins
    dense : whether the files carry the face model's dense mesh beside its landmark basis. By
        default they do where it takes no more than `MOST_DENSE_BYTES`.

    Returns
    -------
    list of `Written`, one for each file

    Raises
    ------
    InvalidInputError
        If a format, a precision or the size is unknown, if no format has one of the precisions, if
        a file is absent, if ``out`` is a file, or if int8 is asked for without photos.
    ModelFormatError
        If the checkpoint is damaged or another project's.
    BackendUnavailableError
        If a format's library is missing; the message names the remedy.
    ConversionError
        If an exporter fails or the folder cannot be written.
    ParityError
        If a file is over the limits (`edgeface.compare.LIMITS`). That file is removed; those
        finished before it stay.
    """
    plan = planned(formats, precisions)
    return convert_files(checkpoint, out, plan, calibration, keep, input_size, progress, dense)


def convert_files(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    plan: Sequence[tuple[Format, str]],
    calibration: str | os.PathLike[str] | None = None,
    keep: bool = False,
    input_size: int | None = None,
    progress: Progress = lambda step: None,
    dense: bool | None = None,
    terms: str | None = None,
) -> list[Written]:
    """Convert to the formats and precisions of a plan; otherwise as `convert`.

    ``terms`` is the identifier of a licence, which the files put before what their recipe says.
    """
    _check_calibrated(plan, calibration is not None)
    folder_of("--out", out)
    if input_size is not None:
        sizes = Whole(SIZE_STEP, MAX_INPUT_SIZE, SIZE_STEP)
        input_size = option("input_size", input_size, sizes)
    progress("reading the checkpoint and the photos")
    trained = load_network(checkpoint)
    if input_size is not None:
        trained = _at_size(trained, input_size)
    face_model = carried_face_model(trained.face_model, dense)
    metadata = replace(network_metadata(trained), dense_mesh=face_model.is_dense)
    if terms is not None and not metadata.licence.startswith(terms):
        metadata = replace(metadata, licence=f"{terms}: {metadata.licence}")
    images = [] if calibration is None else read_images(calibration, MAX_CALIBRATION)
    calibrating, verifying = split(images)
    inputs, smooth = None, trained
    if any(precision in file_format.calibrated for file_format, precision in plan):
        progress(f"making channels alike in range, on {len(calibrating)} photos")
        model = Model(NetworkBackend(trained, metadata))
        inputs = calibration_inputs(model, calibrating)
        smooth = equalised(trained, inputs)
    smooth = folded(smooth)
    exported: dict[str, Any] = {}
    written: list[Written] = []
    for number, (file_format, precision) in enumerate(plan, start=1):
        step = f"[{number}/{len(plan)}] {file_format.name} {precision}"
        if file_format.name not in exported:
            progress(f"{step}: exporting")
            # one format's at a time
            exported = {file_format.name: file_format.export(smooth, metadata)}
        progress(f"{step}: converting")
        lowered = file_format.lower(exported[file_format.name], precision, inputs)
        stated = replace(
            metadata,
            precision=precision,
            graph=file_format.graph(lowered),
            any_size=file_format.any_size and metadata.detects,
        )
        name = file_stem(checkpoint, trained.config, input_size, precision) + file_format.suffix
        job = Job(file_format, lowered, stated, face_model, trained, Path(out) / name)
        refuse_inputs(job.target, (checkpoint,))
        progress(f"{step}: verifying")
        written.append(write(job, verifying, keep))
    return written


def carried_face_model(face_model: FaceModel, dense: bool | None) -> FaceModel:
    """The face model that files carry, whole or its landmark basis; ``dense`` as in `convert`."""
    if dense is None:
        dense = len(face_model.to_bytes()) <= MOST_DENSE_BYTES
    return face_model if dense else face_model.landmark_basis()


def planned(formats: Sequence[str], precisions: Sequence[str]) -> list[tuple[Format, str]]:
    """The format and the precision of every file to write.

    Raises
    ------
    InvalidInputError
        If a name is unknown, or no format has one of the precisions.
    BackendUnavailableError
        If a format's library is missing.
    """
    for what, given in (("formats", formats), ("precisions", precisions)):
        if isinstance(given, str):  # which is a sequence of its letters
            raise InvalidInputError(f"{what} must be a list of names, such as [{given!r}]")
    for name in precisions:
        if name not in PRECISIONS:
            raise InvalidInputError(f"no precision {name!r}; known are {', '.join(PRECISIONS)}")
    found = [find_format(name) for name in dict.fromkeys(formats)]
    once = dict.fromkeys(precisions)
    plan = [(f, precision) for f in found for precision in once if precision in f.precisions]
    if not plan:
        raise InvalidInputError(
            f"nothing to write: none of {', '.join(formats)} has {', '.join(precisions)}"
        )
    return plan


def _check_calibrated(plan: Sequence[tuple[Format, str]], calibrated: bool) -> None:
    needing = [f"{f.name} {precision}" for f, precision in plan if precision in f.calibrated]
    if needing and not calibrated:
        raise InvalidInputError(
            f"{needing[0]} needs real photos to set its ranges: give a folder as calibration "
            "(--calibration DIR), or leave int8 out"
        )


def _at_size(trained: TrainedNetwork, input_size: int) -> TrainedNetwork:
    if not trained.config.network_kind.detects:
        raise InvalidInputError(
            f"only an mfn's input may have another size, not that of the kind {trained.config.kind}"
        )
    return replace(trained, config=replace(trained.config, input_size=input_size))


def split(images: list[Image]) -> tuple[list[Image], list[Image]]:
    """Split photos: four in five set the ranges of int8, the others and the demo photo verify."""
    held = images[4::5]
    used = [image for i, image in enumerate(images) if i % 5 != 4]
    return used, [("the demo photo", read_image(DEMO_PHOTO)), *held[:MAX_VERIFICATION]]
