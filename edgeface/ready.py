"""Ready files: networks that ship in other formats and precisions than their ONNX file.

They hold the same numbers as the ONNX file, which ships as it is. A *pack*, a zip beside
them, says of each ready file which of its bytes are a tensor of the ONNX file, with its axes in
another order, as float16 or as int8, and keeps only the bytes that are not. So the package carries
its weights once, and `read_ready` gives back the file that was converted and verified, byte for
byte, by numpy alone.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.output import (
    beside,
    explained,
    make_folder,
    replace_file,
    whole_file,
    write_output,
)

ASSETS = Path(__file__).parent / "assets"
SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "coreml": ".mlpackage"}
"""Of the formats in which networks ship."""
PRECISIONS = ("fp32", "w8", "fp16", "int8")
"""Of files that ship, the nearest to float32 first. w8 has weights of int8 and arithmetic of
float32. A file's name says which it has; one without any is of `FP32`."""
FP32 = PRECISIONS[0]
INDEX = "index.json"
LEVELS = {"int8": 127, "int7": 64}
"""The largest magnitude of the forms that are whole numbers with a scale for each channel."""
AS_INT8 = "|i1"
"""The form of a tensor that is int8 in the ONNX file already."""


@dataclass(frozen=True)
class ReadyFile:
    """A network that ships as a file.

    Attributes
    ----------
    network : the name that `edgeface.load` takes
    format : a key of `SUFFIXES`
    precision : one of `PRECISIONS`
    """

    network: str
    format: str
    precision: str

    @property
    def name(self) -> str:
        """What it is called, as a converter calls it: ``mfn-int8.tflite``."""
        precision = "" if self.precision == FP32 else f"-{self.precision}"
        return self.network + precision + SUFFIXES[self.format]


def ready_files() -> list[ReadyFile]:
    """All files in which networks ship."""
    names = [path.name for path in sorted(ASSETS.glob("*.onnx"))]
    for one in sorted(ASSETS.glob("*.ready.zip")):
        names.extend(_index(one))
    return [_named(name) for name in names]


def original_file(network: str) -> ReadyFile:
    """The ONNX file of a network, which ships as it is."""
    there = [ReadyFile(network, "onnx", precision) for precision in PRECISIONS]
    return next((file for file in there if (ASSETS / file.name).is_file()), there[0])


def _named(name: str) -> ReadyFile:
    """The inverse of `ReadyFile.name`."""
    stem, suffix = os.path.splitext(name)
    network, _, precision = stem.rpartition("-")
    if precision not in PRECISIONS:
        network, precision = stem, FP32
    formats = {suffix: name for name, suffix in SUFFIXES.items()}
    return ReadyFile(network, formats[suffix], precision)


def find_ready(network: str, file_format: str, precision: str | None = None) -> ReadyFile:
    """The ready file of a network in a format.

    Parameters
    ----------
    precision : by default the first of `PRECISIONS` that there is

    Raises
    ------
    InvalidInputError
        If there is none; the message lists those that there are.
    """
    files = ready_files()
    for one in PRECISIONS if precision is None else (precision,):
        if ReadyFile(network, file_format, one) in files:
            return ReadyFile(network, file_format, one)
    raise no_ready(network, file_format, precision)


def no_ready(network: str, file_format: str, precision: str | None) -> InvalidInputError:
    """The error that a network does not ship in a format and precision, with those it ships in."""
    files = ready_files()
    there = [f"{file.format} {file.precision}" for file in files if file.network == network]
    if not there:
        names = ", ".join(sorted({file.network for file in files}))
        return InvalidInputError(f"no network {network!r} ships with edgeface; these do: {names}")
    wanted = file_format if precision is None else f"{file_format} {precision}"
    return InvalidInputError(
        f"{network!r} does not ship as {wanted}, but as {', '.join(there)}; "
        "edgeface convert writes other files from a checkpoint"
    )


def read_ready(file: ReadyFile) -> dict[str, bytes]:
    """The content of a ready file; of a CoreML package the content of each file in it.

    Returns
    -------
    dict
        Paths below the folder that the file lies in, and bytes.

    Raises
    ------
    ModelFormatError
        If the package is damaged: what comes out is not what was verified.
    """
    if (ASSETS / file.name).is_file():
        return {file.name: (ASSETS / file.name).read_bytes()}
    pack = ASSETS / f"{file.network}.ready.zip"
    try:
        source = (ASSETS / original_file(file.network).name).read_bytes()
        with zipfile.ZipFile(pack) as archive:
            members = json.loads(archive.read(INDEX))[file.name]
            return {
                path: _rebuilt(member, archive.read(path), source)
                for path, member in members.items()
            }
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelFormatError(f"{pack} is damaged: {error}; install edgeface again") from error


def write_ready(file: ReadyFile, folder: str | os.PathLike[str]) -> Path:
    """Write a ready file into a folder, which is made if it is absent.

    A CoreML package takes the place of an older one as a whole.

    Returns
    -------
    Path
        The file, or the folder that a CoreML package is.
    """
    contents = read_ready(file)
    target = make_folder(folder) / file.name
    if not file.name.endswith(SUFFIXES["coreml"]):
        write_output(target, contents[file.name])
        return target
    draft = beside(target)
    try:
        with explained(target):
            for path, content in contents.items():
                part = draft / Path(path).relative_to(file.name)
                write_output(make_folder(part.parent) / part.name, content)
            replace_file(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def cached_ready(file: ReadyFile) -> Path:
    """Where a ready file lies on this machine; it is written there when it is first asked for.

    The folder is ``edgeface`` in ``$XDG_CACHE_HOME``, or in ``~/.cache`` if that is not set or is
    relative. The name holds the hash of what is in the file, so that releases do not meet, and the
    file is checked each time. Where no such folder can be written, as in many containers, a
    temporary one serves as long as the program runs.

    Raises
    ------
    InvalidInputError
        If that cannot be written either.
    """
    if (ASSETS / file.name).is_file():
        return ASSETS / file.name
    contents = read_ready(file)
    digest = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]

    def below(root: Path) -> Path:
        folder = root / "edgeface" / digest
        if any(not _holds(folder / path, content) for path, content in contents.items()):
            write_ready(file, folder)
        return folder / file.name

    # RuntimeError: the user has no home
    with contextlib.suppress(InvalidInputError, RuntimeError):
        stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return below(stated if stated.is_absolute() else Path.home() / ".cache")
    return below(_temporary_root())


@functools.cache
def _temporary_root() -> Path:
    try:
        folder = tempfile.TemporaryDirectory(prefix="edgeface-", ignore_cleanup_errors=True)
    except OSError as error:
        raise InvalidInputError(
            f"no folder can be written for model files: set XDG_CACHE_HOME to one: {error}"
        ) from error
    atexit.register(folder.cleanup)
    return Path(folder.name)


def write_pack(path: Path, index: dict[str, dict[str, Any]], kept: dict[str, bytes]) -> None:
    """Write a pack; `edgeface.converters.pack` makes what goes in.

    Parameters
    ----------
    index : for each ready file its paths, and of each path ``sha256`` and ``pieces``: lists
        ``[start, offset, form, shape, axes]``. From byte ``start`` of the file on there is the
        tensor of ``shape`` that lies at ``offset`` of the ONNX file, its axes in the order
        ``axes``, in a form. A tensor of float32 is ``<f4`` as it is, ``<f2`` as float16, ``int8``
        or ``int7`` divided by a 127th or a 64th of the largest magnitude of each entry of its first
        axis and rounded. One of int8 is ``|i1``. The forms ``text`` and ``base64`` are ``shape[0]``
        bytes of the ONNX file, in base64 decoded.
    kept : for each path the bytes between the pieces
    """
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [(INDEX, json.dumps(index).encode()), *sorted(kept.items())]:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)


def piece_bytes(source: bytes, offset: int, form: str, shape: list[int], axes: list[int]) -> bytes:
    """What one piece of a ready file is; see `write_pack`."""
    if form in ("text", "base64"):
        text = source[offset : offset + shape[0]]
        return base64.b64decode(text) if form == "base64" else text
    stored = AS_INT8 if form == AS_INT8 else "<f4"
    tensor = np.frombuffer(source, stored, int(np.prod(shape)), offset).reshape(shape)
    if form in LEVELS:
        steps = np.float32(LEVELS[form])
        largest = np.abs(tensor).reshape(len(tensor), -1).max(axis=1) / steps
        scale = np.where(largest == 0, np.float32(1), largest).reshape(-1, *[1] * (len(shape) - 1))
        tensor = np.rint(tensor / scale).astype(np.int8)
    else:
        tensor = tensor.astype(form)
    return np.ascontiguousarray(tensor.transpose(axes)).tobytes()


def _rebuilt(member: dict[str, Any], kept: bytes, source: bytes) -> bytes:
    parts: list[bytes] = []
    used = end = 0
    for start, *piece in member["pieces"]:
        parts += [kept[used : used + start - end], piece_bytes(source, *piece)]
        used += start - end
        end = start + len(parts[-1])
    content = b"".join([*parts, kept[used:]])
    if hashlib.sha256(content).hexdigest() != member["sha256"]:
        raise ValueError("a file in it is not the one that was verified")
    return content


def _index(pack: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(pack) as archive:
            return json.loads(archive.read(INDEX))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelFormatError(f"{pack} is damaged: {error}; install edgeface again") from error


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
