"""Enrolment, from a person's clip or photos to their model; the fit needs PyTorch and numba."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgeface.errors import BackendUnavailableError
from edgeface.image import ImageLike
from edgeface.personal.model import PersonalModel

if TYPE_CHECKING:
    from edgeface.reference.personal.enrol import Enrolment

NUM_FRAMES = 20
Progress = Callable[[str, int, int], None]


def personalise(
    source: str | os.PathLike[str] | Sequence[ImageLike],
    *,
    num_frames: int = NUM_FRAMES,
    progress: Progress | None = None,
) -> PersonalModel:
    """Make the personal model of the one person in a clip or in some photos.

    Parameters
    ----------
    source : a video file, or a list of photos as `edgeface.read_image` takes them
    num_frames : how many frames are fitted, chosen far apart in expression and pose; at least 5
    progress : called with a step's name, how much of it is done, and how much there is (0 while
        nobody knows)

    Returns
    -------
    PersonalModel
        ``report`` holds the errors of the fit, which pictures were left out and why, and warnings;
        ``unseen`` the shapes that the person did not show, which stay the template's.

    Raises
    ------
    InvalidInputError
        If no face is found, several people are seen, or fewer than five frames are usable; the
        message says why frames were left out.
    BackendUnavailableError
        If PyTorch, numba, SciPy or, for a clip, PyAV is not installed.

    Examples
    --------
    >>> edgeface.personalise("me.mp4").save("me.efp")     # doctest: +SKIP
    """
    return enrol(source, num_frames=num_frames, progress=progress).model


def enrol(
    source: str | os.PathLike[str] | Sequence[ImageLike],
    *,
    num_frames: int = NUM_FRAMES,
    progress: Progress | None = None,
) -> Enrolment:
    """`personalise`, with what its page shows besides the model: pictures of the fit."""
    try:
        from edgeface.reference.personal import enrol as reference
    except ImportError as error:
        raise BackendUnavailableError(
            f"making a personal model needs {error.name}: pip install 'edgeface[train]'"
        ) from error
    return reference.enrol(source, num_frames=num_frames, progress=progress)
