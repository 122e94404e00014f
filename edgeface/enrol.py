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
    """Make the personal model of one person from a clip or photos.

    It takes about half a minute, and needs ``pip install 'edgeface[train]'``.

    Parameters
    ----------
    source : a video file, or a list of five or more photos as `edgeface.read_image` takes them
        No other person may be seen in them.
    num_frames : the number of frames to fit, at least 5
        They are chosen to differ in expression and pose.
    progress : called as ``progress(step, done, total)``; total is 0 while it is not known

    Returns
    -------
    PersonalModel
        Its ``report`` has the errors of the fit, the pictures that were left out with the reason,
        and warnings. Its ``unseen`` has the shapes that the person did not show; those are the
        template's.

    Raises
    ------
    InvalidInputError
        If there is no face, if there are several people, or if fewer than five frames are usable;
        the message says why frames were left out.
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
