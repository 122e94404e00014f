"""Writing a model file: a draft is verified, and only if it passes it takes the file's name."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.backends import threads_for
from edgeface.backends.contents import num_bytes
from edgeface.compare import Comparison
from edgeface.converters.formats import Format
from edgeface.converters.verify import Image, open_written, parity_entry, verify
from edgeface.errors import ConversionError, ParityError
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.model import load
from edgeface.output import PREFIX, replace_file
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.timing import time_call
from edgeface.types import ImageArray

LATENCY_ROUNDS = 15


@dataclass(frozen=True)
class Job:
    """A file to write.

    Attributes
    ----------
    format : the format of the file
    model : what the format made of the network at the precision that ``metadata`` states
    metadata : what the file says of itself; the parity is added when it is known
    face_model : the face model that the file carries
    trained : the network that the file is held against
    target : the path of the file
    """

    format: Format
    model: Any
    metadata: Metadata
    face_model: FaceModel
    trained: TrainedNetwork
    target: Path

    def save(self, metadata: Metadata, path: Path) -> None:
        """Write the file with its metadata."""
        self.format.save(self.model, metadata, self.face_model, path)


@dataclass(frozen=True)
class Written:
    """A file that `convert` wrote.

    Attributes
    ----------
    path : the path of the file
    format, precision : the names of its format and precision
    num_bytes : its size; of a package, that of all files in it
    metadata : what the file says of itself; ``graph`` and ``parity`` are the report on it
    comparison : how much it differs from the PyTorch network
    latency_ms : the median time of the network on one thread of this machine; NaN where the file
        cannot run here
    """

    path: Path
    format: str
    precision: str
    num_bytes: int
    metadata: Metadata
    comparison: Comparison
    latency_ms: float


def write(job: Job, images: list[Image], keep: bool) -> Written:
    """Save beside the target, verify, state the parity, and only then take the target's name.

    Parameters
    ----------
    job : the file to write
    images : the images on which the file is held against its network
    keep : whether a file that fails verification stays at its target

    Raises
    ------
    ParityError
        If the file is over the limits of its precision.
    ConversionError
        If the folder cannot be written, or the file does not give its metadata back.
    """
    target = job.target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=target.parent) as folder:
            draft = Path(folder) / target.name
            job.save(job.metadata, draft)
            try:
                comparison = verify(job.trained, draft, images)
            except ParityError:
                if keep:
                    replace_file(draft, target)
                raise
            latency = _latency_ms(draft)
            metadata = replace(job.metadata, parity=parity_entry(comparison, images))
            final = Path(folder) / f"final-{target.name}"
            job.save(metadata, final)
            if open_written(final).metadata != metadata:
                raise ConversionError(f"{target.name} does not give its metadata back")
            replace_file(final, target)
    except OSError as error:
        raise ConversionError(f"cannot write {target}: {error}") from error
    return Written(
        path=target,
        format=job.format.name,
        precision=metadata.precision,
        num_bytes=num_bytes(target),
        metadata=metadata,
        comparison=comparison,
        latency_ms=latency,
    )


def _latency_ms(path: Path) -> float:
    """The median time on one thread; NaN if only the slow executor runs the file here."""
    if path.suffix == ".mlpackage" and sys.platform != "darwin":
        return float("nan")
    model = load(path, num_threads=threads_for(path, 1))
    size = model.metadata.input_size
    image: ImageArray = np.zeros((1, size, size, 3), np.uint8)
    return time_call(lambda: model.infer(image), LATENCY_ROUNDS).median_ms
