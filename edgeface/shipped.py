"""The networks that ship with edgeface, and which of their files this machine runs."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Literal, get_args

from edgeface.backends import BACKENDS, can_run
from edgeface.errors import InvalidInputError
from edgeface.face_model import SHIPPED, FaceModel, shipped_face_model
from edgeface.ready import (
    PRECISIONS,
    SUFFIXES,
    cached_ready,
    no_ready,
    original_file,
    ready_files,
)
from edgeface.values import Choice, option, path_of, shown

BUNDLED = ("mfn", "sfn", "fusion", "mfn-free", "sfn-free", "tracknet", "modelnet")
"""The names of the networks that ship with edgeface; anyone may use those that end in -free."""

FREE = "-free"
FREE_FACE_MODEL = SHIPPED[1]

Precision = Literal["fp32", "int8"]
"""A precision that one may ask for of a network that ships."""


def partner(network: str, path_or_name: str, face_model: FaceModel) -> str:
    """The network that works with another one unless somebody says otherwise.

    Parameters
    ----------
    network : "mfn" or "sfn"
    path_or_name : the other one, as in `edgeface.load`, and ``face_model``, its own. With one that
        anyone may use goes another of that family, so that a product does not show what research
        weights saw; of a file, the face model tells the family.
    """
    if path_or_name in BUNDLED:
        free = path_or_name.endswith(FREE)
    else:
        free = face_model.sha256 == shipped_face_model(FREE_FACE_MODEL).sha256
    return network + FREE if free else network


def network_path(
    name: str, path_or_name: str | os.PathLike[str], precision: Precision | None = None
) -> Path:
    """Find the absolute path of a model file that is named as in `edgeface.load`.

    Parameters
    ----------
    name : the name of the argument, for messages

    Raises
    ------
    InvalidInputError
        If it is neither a path nor the name of a network, if there is no such precision, or if one
        is asked for of a file, which has its own.
    """
    if precision is not None:
        option("precision", precision, Choice(get_args(Precision)))
    if isinstance(path_or_name, (str, Path)) and str(path_or_name) in BUNDLED:
        return _shipped_file(str(path_or_name), precision)
    if precision is not None:
        raise InvalidInputError(
            f"precision={precision!r} chooses among the files of a network that ships "
            f"({', '.join(BUNDLED)}); {shown(path_or_name)} keeps the precision it was written in"
        )
    path = path_of(name, path_or_name)
    if not path.suffix and not os.path.exists(path):
        near = difflib.get_close_matches(path.name, BUNDLED, n=1)
        raise InvalidInputError(
            f"no such model: {path}{f'; did you mean {near[0]}?' if near else ';'} "
            f"{', '.join(BUNDLED)} ship with edgeface, others are files: {', '.join(BACKENDS)}"
        )
    return path.absolute()


def _shipped_file(name: str, precision: Precision | None) -> Path:
    """The file of a network that ships, for the first engine of those here."""
    original = original_file(name)
    if precision in (None, original.precision) and can_run(".onnx"):
        return cached_ready(original)
    wanted = PRECISIONS if precision is None else (precision,)
    there = [file for file in ready_files() if file.network == name and file.precision in wanted]
    if not there:
        raise no_ready(name, "onnx", precision)
    there.sort(key=lambda file: PRECISIONS.index(file.precision))
    usable = [file for file in there if can_run(SUFFIXES[file.format])]
    return cached_ready((usable or there)[0])
