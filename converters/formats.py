"""The formats that `convert` writes, and what each of them has to do."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

from edgeface.converters.quiet import silenced
from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.types import ImageArray

FORMATS = {
    "onnx": "edgeface.converters.to_onnx",
    "tflite": "edgeface.converters.to_tflite",
    "coreml": "edgeface.converters.to_coreml",
    "pt2": "edgeface.converters.to_pt2",
}
"""For the name of each format, the module whose ``FORMAT`` writes it."""


class Format(Protocol):
    """A kind of model file.

    `export` runs once for a network. Each precision then takes `lower` and `save`, of which `save`
    is called twice: with a draft that is verified, and with what the verification found.

    Attributes
    ----------
    name : the format's name, a key of `FORMATS`
    suffix : the suffix of its files, a key of `edgeface.backends.BACKENDS`
    precisions : the precisions that it has, of `edgeface.metadata.PRECISIONS`
    calibrated : the precisions that need photos to set their ranges
    any_size : whether the file of a network that detects takes inputs of several sizes
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def suffix(self) -> str: ...  # noqa: D102
    @property
    def precisions(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def calibrated(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def any_size(self) -> bool: ...  # noqa: D102

    def export(self, trained: TrainedNetwork, metadata: Metadata) -> Any:
        """Export the network in float32, in the form that `lower` starts from."""
        ...

    def lower(self, exported: Any, precision: str, calibration: ImageArray | None) -> Any:
        """Make the model at a precision; ``exported`` stays as it is.

        ``calibration`` holds the network's inputs of the photos, uint8 (N, S, S, 3). It is given
        for the precisions in `calibrated`.
        """
        ...

    def graph(self, model: Any) -> dict[str, Any]:
        """Make the entry ``graph`` of the metadata by `edgeface.converters.summary`."""
        ...

    def save(self, model: Any, metadata: Metadata, face_model: FaceModel, path: Path) -> None:
        """Write the file with its metadata and its face model."""
        ...


def find_format(name: str) -> Format:
    """Find the format of a name.

    Raises
    ------
    InvalidInputError
        If there is no such format.
    BackendUnavailableError
        If a library that it needs is not installed; the message names the remedy.
    """
    if name not in FORMATS:
        raise InvalidInputError(f"no format {name!r}; known are {', '.join(FORMATS)}")
    try:
        with silenced():
            module: Any = importlib.import_module(FORMATS[name])
    except ImportError as error:
        extra = "torch" if name == "pt2" else f"convert-{name}"
        raise BackendUnavailableError(
            f"converting to {name} needs {error.name}: pip install 'edgeface[{extra}]'"
        ) from error
    return module.FORMAT
