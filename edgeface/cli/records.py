"""What `edgeface run` reports, image by image: text, JSON, JSON lines, CSV or Parquet.

CSV and Parquet have a row a face: ``image``, the name of the image, ``face``, the number of the
face in it, and the columns of `edgeface.tables`. An image without faces has no row there.
"""

from __future__ import annotations

from typing import IO, Any, Protocol

import numpy as np

from edgeface import tables
from edgeface.faces import Faces
from edgeface.terminal import printable

ROWS_AT_ONCE = 1000
"""Faces that are written to a Parquet file at once."""


class Records(Protocol):
    """Writes results as they come: to a text stream, or a binary one if ``binary``."""

    binary: bool

    def add(self, name: str, faces: Faces) -> None:
        """Report the faces of one image."""
        ...

    def close(self) -> None:
        """Finish what was begun."""
        ...


class Text:
    """Lines for people."""

    binary = False

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def add(self, name: str, faces: Faces) -> None:
        """Report the faces of one image."""
        more = ", and there are more: raise --max-faces" if faces.truncated else ""
        lines = [f"{printable(name)}: {len(faces)} {'face' if len(faces) == 1 else 'faces'}{more}"]
        lines += [f"  {number:2d}  {face}" for number, face in enumerate(faces, start=1)]
        self._stream.write("".join(f"{line}\n" for line in lines))

    def close(self) -> None:
        """Nothing is left to write."""


class JsonLines:
    """One JSON object an image, a line each."""

    binary = False

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def add(self, name: str, faces: Faces) -> None:
        """Report the faces of one image."""
        self._stream.write(f"{tables.json_of(record(name, faces))}\n")

    def close(self) -> None:
        """Nothing is left to write."""


class Json:
    """One JSON array of such objects."""

    binary = False

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._between = "[\n"

    def add(self, name: str, faces: Faces) -> None:
        """Report the faces of one image."""
        self._stream.write(self._between + tables.json_of(record(name, faces)))
        self._between = ",\n"

    def close(self) -> None:
        """Close the array."""
        self._stream.write("[]\n" if self._between == "[\n" else "\n]\n")


class Csv:
    """A row a face, after a line of names."""

    binary = False

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._stream.write(",".join(("image", "face", *tables.NUMBERS)) + "\n")

    def add(self, name: str, faces: Faces) -> None:
        """Report the faces of one image."""
        rows = tables.csv_of(named(name, faces) | tables.numbers_of(faces))
        self._stream.write(rows.partition("\n")[2])

    def close(self) -> None:
        """Nothing is left to write."""


class Parquet:
    """A row a face, with the arrays."""

    binary = True

    def __init__(self, stream: IO[bytes]) -> None:
        self._arrow = tables.needed("pyarrow", "Parquet files", "tables")
        self._parquet = tables.needed("pyarrow.parquet", "Parquet files", "tables")
        self._stream, self._writer = stream, None
        self._waiting: list[Any] = []

    def add(self, name: str, faces: Faces) -> None:
        """Report the faces of one image."""
        table = faces.to_arrow()
        for place, (column, values) in enumerate(named(name, faces).items()):
            kind = self._arrow.string() if column == "image" else self._arrow.int32()
            table = table.add_column(place, column, self._arrow.array(values.tolist(), kind))
        self._waiting.append(table)
        if sum(len(table) for table in self._waiting) >= ROWS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        table = self._arrow.concat_tables(self._waiting)
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(
                self._stream, table.schema, compression="zstd"
            )
        self._writer.write_table(table)
        self._waiting = []

    def close(self) -> None:
        """Write what is left; without any image, a table of no rows."""
        if self._writer is None and not self._waiting:
            kinds = {"image": self._arrow.string(), "face": self._arrow.int32()}
            self._waiting.append(self._arrow.schema(kinds).empty_table())
        if self._waiting:
            self._write()
        if self._writer is not None:
            self._writer.close()


FORMATS = {"text": Text, "json": Json, "jsonl": JsonLines, "csv": Csv, "parquet": Parquet}
"""By the names that ``--format`` and suffixes have for them."""


def record(name: str, faces: Faces) -> dict[str, Any]:
    """What JSON says of an image."""
    return {"image": name, "faces": faces.to_dict(), "truncated": faces.truncated}


def named(name: str, faces: Faces) -> dict[str, Any]:
    """The columns of a table that say which face of which image a row is."""
    names = np.full(len(faces), tables.printable(name), object)
    return {"image": names, "face": np.arange(len(faces))}
