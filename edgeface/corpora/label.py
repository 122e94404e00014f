"""`FaceLabeller`: looks at a chunk of photos and writes what it saw as one Parquet file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from edgeface import tables
from edgeface.ahead import read_ahead
from edgeface.corpora.store import Store
from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.faces import Faces
from edgeface.image import read_image
from edgeface.model import Model
from edgeface.types import ImageArray

IMAGES_AHEAD, NUM_READERS = 16, 8
"""Photos of a bucket take their time to come, and little else."""
PAUSES_S = (1.0, 4.0)
"""Between the tries to read a file, as networks fail for a moment."""
SUFFIX = ".parquet"


@dataclass(frozen=True)
class Part:
    """What came of one chunk: the numbers that a run adds up.

    Attributes
    ----------
    name : the file's
    num_images, num_faces, num_errors : of the chunk; images with an error have no faces
    seconds : that it took, files read and written included
    """

    name: str
    num_images: int
    num_faces: int
    num_errors: int
    seconds: float


class FaceLabeller:
    """Finds the faces of chunks of photos; what Ray Data calls a predictor class.

    Parameters
    ----------
    photos : where the photos lie
    target : where the Parquet files go
    model : finds the faces; in another process it is loaded anew
    options : of `edgeface.Model.run`, the same for every photo

    Notes
    -----
    A part has its name from the names of its photos: done twice, it is written over by itself.

    A file has a row a face: ``image``, the name below ``photos``; ``error``, null unless the photo
    could not be looked at; ``height`` and ``width`` of the image, px; ``num_faces`` in it;
    ``face``, the number of this one; and the columns of `edgeface.tables`. A photo without a face,
    or with an error, has one row, in which those of the face are null.
    """

    def __init__(
        self, photos: Store, target: Store, model: Model, options: Mapping[str, Any]
    ) -> None:
        self._photos, self._target = photos, target
        self._model, self._options = model, dict(options)
        nobody = model.run(np.zeros((64, 64, 3), np.uint8), **self._options).select([])
        self._schema = _rows_of("", nobody).schema

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Ray Data's `map_batches`: ``batch["names"]`` are chunks; a row a part comes back."""
        parts = [self.label([os.fsdecode(name) for name in names]) for names in batch["names"]]
        return {name: [getattr(part, name) for part in parts] for name in Part.__annotations__}

    def label(self, names: Sequence[str]) -> Part:
        """Look at the photos of these names and write their part."""
        started = time.perf_counter()
        arrow = tables.needed("pyarrow", "Parquet files", "tables")
        rows: list[Any] = []
        num_faces = num_errors = 0
        for name, pixels in read_ahead(names, self._read, IMAGES_AHEAD, NUM_READERS):
            seen = self._look(pixels)
            if isinstance(seen, Faces):
                num_faces += len(seen)
            else:
                num_errors += 1
            rows.append(_rows_of(name, seen))
        table = arrow.concat_tables([self._schema.empty_table(), *rows], promote_options="default")
        part = part_name(names)
        self._target.write(part, tables.parquet_of(table.cast(self._schema)))
        seconds = time.perf_counter() - started
        return Part(part, len(names), num_faces, num_errors, seconds)

    def _look(self, pixels: ImageArray | EdgeFaceError) -> Faces | EdgeFaceError:
        """The faces of an image, or why there are none."""
        if isinstance(pixels, EdgeFaceError):
            return pixels
        try:
            return self._model.run(pixels, color="rgb", **self._options)
        except EdgeFaceError as error:
            return error

    def _read(self, name: str) -> ImageArray:
        """The pixels of a photo."""
        for pause in (*PAUSES_S, None):
            try:
                content = self._photos.read(name)
            except FileNotFoundError as error:
                raise InvalidInputError("there is no such file any more") from error
            except OSError as error:
                if pause is None:
                    raise InvalidInputError(f"it cannot be read: {error}") from error
                time.sleep(pause)
            else:
                return read_image(content)
        raise AssertionError


def part_name(names: Sequence[str]) -> str:
    """The name of the file for a chunk of photos."""
    digest = sha256("\n".join(names).encode(errors="surrogateescape"))
    return f"part-{digest.hexdigest()[:24]}{SUFFIX}"


def _rows_of(name: str, seen: Faces | EdgeFaceError) -> Any:
    """The rows of one photo: one a face, or one without."""
    arrow = tables.needed("pyarrow", "Parquet files", "tables")
    faces = seen if isinstance(seen, Faces) else None
    count = 0 if faces is None else len(faces)
    height, width = (None, None) if faces is None else faces.image_size or (None, None)
    values = {
        "image": (tables.printable(name), arrow.string()),
        "error": (None if faces is not None else str(seen), arrow.string()),
        "height": (height, arrow.int32()),
        "width": (width, arrow.int32()),
        "num_faces": (None if faces is None else count, arrow.int32()),
    }
    columns = {n: arrow.array([v] * max(count, 1), kind) for n, (v, kind) in values.items()}
    columns["face"] = arrow.array([*range(count)] or [None], arrow.int32())
    if faces is not None:
        table = faces.to_arrow()
        for field in table.schema:
            columns[field.name] = table[field.name] if count else arrow.nulls(1, field.type)
    return arrow.table(columns)
