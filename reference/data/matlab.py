"""Reading Matlab's .mat files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import InvalidInputError


def read_mat(path: Path, what: str, *names: str) -> list[NDArray[Any]]:
    """The arrays ``names`` of a .mat file of a format before 7.3; ``what`` they are, for people.

    Raises
    ------
    InvalidInputError
        If the file is not such a file, or lacks one of them.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path)
        return [np.asarray(content[name]) for name in names]
    except (KeyError, ValueError, IndexError, NotImplementedError, MatReadError) as error:
        wanted = ", ".join(map(repr, names))
        raise InvalidInputError(f"{path} holds no {what} {wanted}: {error}") from error
