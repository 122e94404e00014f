"""`Network`, an open model file as a function of its inputs: input -> heads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from edgeface.backends import Backend, open_backend
from edgeface.engine import KernelChoice, KernelEngine
from edgeface.errors import InferenceError, InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.metadata import MAX_INPUT_SIZE, SIZE_STEP, Metadata
from edgeface.run_options import Detail
from edgeface.types import Float32Array, ImageArray

Heads = dict[str, Float32Array]
"""The raw outputs by name."""


@dataclass(frozen=True)
class Source:
    """What a network was loaded from, with the options of `edgeface.load`."""

    path: Path
    num_threads: int
    device: str | None
    kernels: KernelChoice
    input_size: int | None
    detail: Detail = "auto"
    refine: Source | None = None

    def open(self) -> Backend:
        """Open the file by its backend, at the size that was asked for."""
        backend = open_backend(self.path, self.num_threads, self.device)
        if self.input_size is not None:
            backend.metadata = backend.metadata.at_size(self.input_size)
        return backend


class Network:
    """A loaded network, which can be copied, pickled and closed."""

    def __init__(
        self,
        backend: Backend,
        kernel_choice: KernelChoice = "auto",
        source: Source | None = None,
    ) -> None:
        self._backend = backend
        self._source = source
        self.metadata: Metadata = backend.metadata
        self.face_model: FaceModel = backend.face_model
        self.engine = KernelEngine(kernel_choice)

    @classmethod
    def from_source(cls, source: Source) -> Self:
        """Load a source that `edgeface.load` has checked."""
        return cls(source.open(), source.kernels, source)

    def infer(self, input_tensor: ImageArray) -> Heads:
        """Run the network alone, without pre- and post-processing.

        Parameters
        ----------
        input_tensor : uint8, shape (B, H, W, 3), RGB, as `letterbox` or `crop` make it
            H and W are ``metadata.input_size``, or any multiples of 32 if ``metadata.any_size``.

        Returns
        -------
        dict of float32 arrays (B, ...), the raw outputs by name (`Metadata.output_shape`)

        Raises
        ------
        InvalidInputError
            If the input is not as described.
        InferenceError
            If the backend fails, or returns values that are not finite.
        """
        size, given = self.metadata.input_size, cast(Any, input_tensor)
        sides, wanted = (size, size), f"{size}, {size}"
        shape, dtype = getattr(given, "shape", ()), getattr(given, "dtype", type(given).__name__)
        plain = isinstance(given, np.ndarray) and not isinstance(given, np.ma.MaskedArray)
        if self.metadata.any_size and plain:
            wanted = f"H, W: multiples of {SIZE_STEP} up to {MAX_INPUT_SIZE}"
            sides = tuple(min(n - n % SIZE_STEP, MAX_INPUT_SIZE) or SIZE_STEP for n in shape[1:3])
        if not plain or dtype != np.uint8 or len(shape) != 4 or shape[1:] != (*sides, 3):
            raise InvalidInputError(
                f"infer takes uint8 of shape (B, {wanted}, 3), got {dtype} {shape}"
            )
        if not shape[0]:
            return _no_heads(self.metadata)
        heads = self._backend.infer(np.ascontiguousarray(input_tensor))
        for name, values in heads.items():
            if not np.isfinite(values).all():
                raise InferenceError(
                    f"the network {self.metadata.name!r} gave values that are not finite as its "
                    f"output {name!r}: its weights are damaged, or the device cannot run it"
                )
        return heads

    def clone(self) -> Self:
        """Load the same file again, with the same options; the two models share nothing."""
        return self.from_source(self._file())

    def close(self) -> None:
        """Free the backend's memory. Running it afterwards is an error; closing it again is not."""
        self._backend = _Closed(self.metadata, self.face_model)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, tuple[Source]]:
        return self.from_source, (self._file(),)

    def _file(self) -> Source:
        if self._source is None:
            raise InvalidInputError("this model was made from a backend, not loaded from a file")
        return self._source


@dataclass(frozen=True)
class _Closed:
    """The backend of a closed model, which refuses to run."""

    metadata: Metadata
    face_model: FaceModel

    def infer(self, input_tensor: ImageArray) -> Heads:
        raise InferenceError(f"the model {self.metadata.name!r} is closed")


def _no_heads(metadata: Metadata) -> Heads:
    return {n: np.zeros((0, *metadata.output_shape(n)), np.float32) for n in metadata.output_names}
