"""Reading Torch7's .t7 files as far as data sets use them, for one tensor of numbers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.types import AnyArray

TYPES = {"torch.FloatTensor": np.dtype("<f4"), "torch.DoubleTensor": np.dtype("<f8")}
OBJECT = 4


def read_t7(path: Path) -> AnyArray:
    """The tensor in a .t7 file.

    Notes
    -----
    On a 64-bit machine, ``torch.save`` of Torch7 writes (https://github.com/torch/torch7, File.lua
    and generic/Tensor.c) type 4, index, version and class name as counted strings; dimensions,
    sizes, strides and the offset in the storage, counted from 1; then the storage as an object of
    its own, with its size and numbers. Integers are int32 and int64, little-endian.

    Raises
    ------
    InvalidInputError
        If the file is absent or holds anything else.
    """
    try:
        data = memoryview(path.read_bytes())
        name, place = _header(data, 0)
        if name not in TYPES:
            raise ValueError(f"it holds {name}")
        (dimensions,) = struct.unpack_from("<i", data, place)
        if not 0 < dimensions < 8:
            raise ValueError(f"it has {dimensions} dimensions")
        numbers: tuple[int, ...] = struct.unpack_from(f"<{2 * dimensions + 1}q", data, place + 4)
        shape, strides = numbers[:dimensions], numbers[dimensions:-1]
        _, place = _header(data, place + 4 + 8 * len(numbers))
        (count,) = struct.unpack_from("<q", data, place)
        storage = np.frombuffer(data, TYPES[name], count, place + 8)
        index = sum(
            np.expand_dims(np.arange(n) * s, tuple(range(1, dimensions - i)))
            for i, (n, s) in enumerate(zip(shape, strides, strict=True))
        )
        return storage[numbers[-1] - 1 + np.asarray(index)]
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise InvalidInputError(f"{path} is no .t7 file of a tensor: {error}") from error


def _header(data: memoryview, place: int) -> tuple[str, int]:
    """The class name of the object at ``place``, and where its content begins."""
    kind, _ = struct.unpack_from("<ii", data, place)
    if kind != OBJECT:
        raise ValueError(f"it holds no tensor but type {kind}")
    _, place = _string(data, place + 8)
    return _string(data, place)


def _string(data: memoryview, place: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<i", data, place)
    end = place + 4 + size
    return bytes(data[place + 4 : end]).decode("ascii", "replace"), end
