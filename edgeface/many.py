"""`ManyImages`: what a model does with several images, in one batch or one after another."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from functools import partial
from typing import Any, Literal, cast, overload

import numpy as np

from edgeface.ahead import read_ahead
from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.faces import Faces
from edgeface.image import ImageLike, read_image
from edgeface.pixels import Color, is_one_image, is_pixels
from edgeface.progress import ProgressLine
from edgeface.types import ImageArray
from edgeface.values import Flag, Whole, option

MAX_AHEAD = 10_000


class ManyImages:
    """The methods of `edgeface.Model` for many images."""

    def run(self, *arguments: Any, **options: Any) -> Faces:
        """`edgeface.Model.run`."""
        raise NotImplementedError

    def find(self, pixels: Sequence[ImageArray], options: dict[str, Any]) -> list[Faces]:
        """The faces of images that are read; ``options`` are those of `edgeface.Model.run`."""
        raise NotImplementedError

    def run_batch(
        self, images: Sequence[ImageLike], *, color: Color = "rgb", **options: Any
    ) -> list[Faces]:
        """Find the faces of several images, with several images per call of the network.

        Parameters
        ----------
        images : N images, each as `edgeface.Model.run` takes it, or one array (N, H, W, 3)
        color : "rgb" or "bgr", the order of the channels of images that are arrays
        options : those of `edgeface.Model.run`, except ``boxes_xyxy`` and ``keep_image``

        Returns
        -------
        list of N `Faces`

        Raises
        ------
        InvalidInputError
            If this is a crop network (use ``run(boxes_xyxy=)``), or an argument is not as
            described.
        InferenceError
            If the backend fails.

        Notes
        -----
        All images are in memory at once. For more images than that, use `run_many`.
        """
        if not isinstance(cast(object, images), (list, tuple)) and np.ndim(cast(Any, images)) != 4:
            raise InvalidInputError(
                f"run_batch takes a list of images, got {type(images).__name__}; one image is for "
                "run, and what gives images one by one is for run_many"
            )
        return self.find([read_image(image, color=color) for image in images], options)

    @overload
    def run_many(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color | None = None,
        ahead: int = 4,
        progress: bool = False,
        return_exceptions: Literal[False] = False,
        **options: Any,
    ) -> Iterator[Faces]: ...

    @overload
    def run_many(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color | None = None,
        ahead: int = 4,
        progress: bool = False,
        return_exceptions: bool,
        **options: Any,
    ) -> Iterator[Faces | EdgeFaceError]: ...

    def run_many(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color | None = None,
        ahead: int = 4,
        progress: bool = False,
        return_exceptions: bool = False,
        **options: Any,
    ) -> Iterator[Faces | EdgeFaceError]:
        """Find the faces of any number of images, one after another, in bounded memory.

        Threads read the next images while the network runs on one. Of an iterator, arrays, PIL
        images and open files are read before the next one is taken, since cameras and animations
        give the same object again and again, filled anew.

        Parameters
        ----------
        images : a list, a generator, ``Path("photos").glob("*.jpg")``...: each image as
            `edgeface.Model.run` takes it
        color : as for `edgeface.Model.run`
        ahead : the largest number of images that are read in advance
        progress : whether to show a progress line on standard error
        return_exceptions : what happens to an image that cannot be processed
            True: its error is yielded in place of faces. False: the error is raised, which ends
            the iteration.
        options : those of `edgeface.Model.run`

        Yields
        ------
        Faces
            For each image in turn, or an `EdgeFaceError`, see ``return_exceptions``.

        Raises
        ------
        InvalidInputError, BackendUnavailableError, InferenceError
            As `edgeface.Model.run` does.

        Examples
        --------
        >>> import edgeface
        >>> model = edgeface.load("mfn")
        >>> [len(faces) for faces in model.run_many([edgeface.DEMO_PHOTO] * 2)]
        [5, 5]
        """
        count = option("ahead", ahead, Whole(1, MAX_AHEAD))
        kept = option("return_exceptions", return_exceptions, Flag())
        shown = option("progress", progress, Flag())
        if is_one_image(images):
            raise InvalidInputError(
                f"run_many takes images one by one, and this {type(images).__name__} is a single "
                "one: use run, or put it into a list"
            )
        if not isinstance(cast(object, images), Iterable):
            raise InvalidInputError(
                f"run_many takes images that can be iterated, got {type(images).__name__}"
            )
        return self._each(images, color, count, shown, kept, options)

    def _each(
        self,
        images: Iterable[ImageLike],
        color: Color | None,
        ahead: int,
        progress: bool,
        return_exceptions: bool,
        options: dict[str, Any],
    ) -> Iterator[Faces | EdgeFaceError]:
        total = len(images) if progress and isinstance(images, Sized) else 0
        line = ProgressLine(total, "images", sys.stderr) if progress else None
        kept = isinstance(images, (list, tuple, np.ndarray))
        read = partial(read_image if kept else _own_pixels, color=color or "rgb")
        reading = read_ahead(images, read, ahead, at_once=lambda i: not kept and _is_object(i))
        try:
            for image, pixels in reading:
                # an array whose order nobody has said is for `edgeface.colours`
                said = None if color is None and is_pixels(image) else "rgb"
                try:
                    if isinstance(pixels, EdgeFaceError):
                        raise pixels
                    seen: Faces | EdgeFaceError = self.run(pixels, color=said, **options)
                except EdgeFaceError as error:
                    if not return_exceptions:
                        raise
                    seen = error
                if line is not None:
                    line.step()
                yield seen
        finally:
            if line is not None:
                line.close()


def _is_object(image: Any) -> bool:
    """Whether an image is no name and no content, but something that may be filled anew."""
    return not isinstance(image, (str, bytes, os.PathLike))


def _own_pixels(image: ImageLike, color: Color) -> ImageArray:
    """What `read_image` returns, never a view of the image."""
    pixels = read_image(image, color=color)
    return pixels if pixels.base is None else pixels.copy()
