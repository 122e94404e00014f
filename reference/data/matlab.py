"""Reading Matlab's .mat files."""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.types import AnyArray


def read_mat(path: Path, what: str, *names: str) -> list[AnyArray]:
    """Read the arrays ``names`` of a .mat file before format 7.3; errors say ``what`` it should be.

    Raises
    ------
    InvalidInputError
        If it is no such file, or lacks one of the arrays.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    wanted = f"{what} {', '.join(map(repr, names))}"
    try:
        content = loadmat(path)
    except (ValueError, IndexError, NotImplementedError, MatReadError) as error:
        raise InvalidInputError(f"{path} holds no {wanted}: {error}") from error
    if missing := [name for name in names if name not in content]:
        raise InvalidInputError(f"{path} holds no {wanted}: it lacks {', '.join(missing)}")
    return [np.asarray(content[name]) for name in names]
