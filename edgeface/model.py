"""``load()`` and `Model`: image -> input -> heads -> candidates -> faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from edgeface import kernels
from edgeface.backends import Backend
from edgeface.closer import CloserLook
from edgeface.colours import ChannelCheck
from edgeface.detector import Detector
from edgeface.engine import KernelChoice
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces, check_faces
from edgeface.image import ImageLike, Placement, read_image
from edgeface.many import ManyImages
from edgeface.network import Heads, Source
from edgeface.passes import longer_sides
from edgeface.pixels import Color
from edgeface.ready import ASSETS
from edgeface.run_options import (
    OF_DETECTION,
    Detail,
    check_heads,
    checked_detail,
    detection_options,
    refuse_foreign_options,
    suppression_of,
    thresholds,
)
from edgeface.shipped import Precision, network_path
from edgeface.types import BoolArray, Float32Array, ImageArray
from edgeface.values import Choice, Flag, Text, Whole, array_of, option

MAX_THREADS = 1024


def load(
    path_or_name: str | os.PathLike[str],
    *,
    num_threads: int = 0,
    device: str | None = None,
    kernels: KernelChoice = "auto",
    input_size: int | None = None,
    precision: Precision | None = None,
    detail: Detail = "auto",
    refine: str | os.PathLike[str] | None = None,
) -> Model:
    """Load a network by its name, or from a model file.

    Parameters
    ----------
    path_or_name : the name of a network that ships with edgeface, or the path of a model file
        The networks "mfn" and "mfn-free" find the faces of an image. "sfn", "sfn-free" and "fusion"
        are crop networks, which are given the boxes of faces. "tracknet" and "modelnet" are for
        personal models. Networks whose names end in "-free" may be used in products.
    num_threads : the number of threads that the backend may use; 0 leaves the choice to it, but for
        ONNX Runtime no more than the processors that a container may use
    device : the device that runs the network; by default the CPU, for CoreML "ALL"
        An execution provider of ONNX Runtime ("CUDAExecutionProvider"), the shared library of a
        TFLite delegate ("libedgetpu.so.1"), CoreML's compute units ("CPU_AND_NE"), or a torch
        device ("cuda").
    kernels : the implementation of pre- and post-processing, "numba", "numpy" or "auto"
        With "auto", it is numpy at first and numba after some runs, if that is installed. See
        `edgeface.engine.KernelEngine`.
    input_size : the side of the network's square input, px; by default the one in the file
        An MFN's ONNX file takes every multiple of 32. The cost grows with the square of the size;
        a larger input finds smaller faces.
    precision : "fp32" or "int8", for networks that ship; by default the nearest to float32
        The file is for the first backend that is installed and runs that precision. Which one is
        faster depends on the processor; ``edgeface bench choose`` measures it.
    detail : how many passes `Model.run` makes to find small faces, for a network that detects
        With "fast" it is one pass over the whole image, at constant cost. "auto" makes further
        passes at a higher resolution if the first one has small uncertain candidates, or finds no
        face. "full" covers the whole image down to its own pixels, at a cost that grows with the
        image. See `edgeface.passes`.
    refine : a crop network, by name or path, that `Model.run` applies to the faces it has found
        It works as `Model.refine`, for the `MAX_REFINED` largest faces of an image at most.

    Returns
    -------
    Model

    Raises
    ------
    InvalidInputError
        If there is no such file, it does not have that ``input_size`` or ``precision``, or the two
        networks do not fit each other.
    ModelFormatError, MetadataError
        If the file is damaged, of an unknown kind or version, or has no metadata.
    BackendUnavailableError
        If the backend, numba or the device is missing; the message names the remedy.

    Examples
    --------
    >>> faces = load("mfn").run(DEMO_PHOTO)
    >>> len(faces)
    5
    """
    threads = option("num_threads", num_threads, Whole(0, MAX_THREADS))
    device = None if device is None else option("device", device, Text(longest=4096))
    closer: Source | None = None
    if refine is not None:
        closer = Source(network_path("refine", refine), threads, device, kernels, None)
    path, detail = network_path("path_or_name", path_or_name, precision), checked_detail(detail)
    return Model.from_source(Source(path, threads, device, kernels, input_size, detail, closer))


DEMO_PHOTO = ASSETS / "demo.jpg"


class Model(ManyImages, CloserLook):
    """A loaded network, which `load` returns. `run` finds the faces of an image.

    ``metadata`` describes the network, and ``face_model`` is the morphable model to which its
    coefficients belong.

    One model may be used from several threads. ONNX Runtime and PyTorch run their calls in
    parallel. TFLite and CoreML run them one after another, so give each thread its own `clone`.
    A pickled model holds the path of its file, and loads the file again when unpickled. Used as a
    context manager, a model closes itself.
    """

    def __init__(
        self,
        backend: Backend,
        kernel_choice: KernelChoice = "auto",
        source: Source | None = None,
    ) -> None:
        super().__init__(backend, kernel_choice, source)
        self._detail: Detail = "auto" if source is None else source.detail
        self._detector = Detector(self.metadata, self._decoder, self.infer)
        self._channels = ChannelCheck()

    def __repr__(self) -> str:
        return f"Model({self.metadata.name!r}, {self.metadata.kind})"

    def run(
        self,
        image: ImageLike,
        *,
        boxes_xyxy: ArrayLike | None = None,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_faces: int | None = None,
        suppression: kernels.Suppression | None = None,
        look_again: bool | None = None,
        detail: Detail | None = None,
        keep_image: bool = False,
        color: Color | None = None,
    ) -> Faces:
        """Find the faces of an image, or, with a crop network, analyse those in given boxes.

        Networks that detect ("mfn") take all options but ``boxes_xyxy``. Crop networks ("sfn",
        "fusion") take only ``boxes_xyxy``, ``keep_image`` and ``color``.

        Parameters
        ----------
        image : path, web address, bytes, open file, PIL image, array or tensor; see `read_image`
            Arrays are RGB unless ``color`` says otherwise.
        boxes_xyxy : float, shape (N, 4), image_px; by default one box that fills the image
            The faces to analyse. For faces that an "mfn" found, call `refine` instead, which keeps
            their scores.
        score_threshold : in [0, 1]; by default the one in the file
            Faces with a lower score are not reported.
        iou_threshold : in [0, 1]; by default the one in the file
            Boxes that overlap a better one by more are suppressed.
        max_faces : the largest number of faces to report, by default 1,000
            The best are kept; `Faces.truncated` says whether there were more.
        suppression : "weighted" (the default), "greedy" or "soft"
            How overlapping candidates become one face. With "weighted" it is their weighted mean,
            coefficients included. With "greedy" all but the best are dropped, with "soft" they lose
            score. See `edgeface.kernels.find_faces`.
        look_again : whether to look at the image rotated where there is reason to, by default True
            Faces that look wrong, most of them upside down, are left out if a rotated view
            contradicts them; see `hold_up`. Unless ``detail`` is "fast", an image without a certain
            upright face is searched once more after quarter turns; see `edgeface.turning`.
        detail : "auto", "fast" or "full", by default as the model was loaded; see `load`
        keep_image : whether the result keeps a reference to the image, so that `Faces.draw` and
            other methods need no image
        color : "rgb" (the default) or "bgr", the order of an array's channels
            If it is not given, there is a warning if the first faces look like BGR; see
            `edgeface.colours`.

        Returns
        -------
        Faces
            By falling score; of length 0 if there is no face.

        Raises
        ------
        InvalidInputError
            If an argument is not as described, or is an option that this kind of network does not
            have.
        InferenceError
            If the backend fails.

        Warns
        -----
        TooManyFacesWarning
            If there are more than 1,000 faces, and ``max_faces`` was not given.
        SwappedChannelsWarning
            Once, if an array seems to be BGR, and ``color`` was not given.
        """
        options: dict[str, Any] = {
            "score_threshold": score_threshold,
            "iou_threshold": iou_threshold,
            "max_faces": max_faces,
            "suppression": suppression,
            "look_again": look_again,
            "detail": detail,
        }
        refuse_foreign_options(self.metadata, boxes_xyxy=boxes_xyxy, **options)
        kept = option("keep_image", keep_image, Flag())
        pixels = read_image(image, color="rgb" if color is None else color)
        if not self.metadata.detects:
            faces = self._crops(pixels, boxes_xyxy).of_image(pixels)
        else:
            (faces,) = self.find([pixels], options)
            if color is None:
                self._channels.look(image, pixels, faces)
        return faces.keeping(image, pixels) if kept else faces

    def find(self, pixels: Sequence[ImageArray], options: dict[str, Any]) -> list[Faces]:
        """Find the faces of several images that are already decoded.

        Parameters
        ----------
        pixels : N images, uint8 (H, W, 3), as `read_image` gives them
        options : of `run`: thresholds, ``max_faces``, ``suppression``, ``look_again``, ``detail``

        Raises
        ------
        InvalidInputError
            If this is a crop network, or there is no such option, or its value is out of range.
        InferenceError
            If the backend fails.
        """
        if not self.metadata.detects:
            raise InvalidInputError(
                "run_batch is for an mfn; the batch of a network of the kind "
                f"{self.metadata.kind} is run(boxes_xyxy=)"
            )
        for name in options:
            option("the name of an option of run_batch", name, Choice(OF_DETECTION))
        given = {name: value for name, value in options.items() if value is not None}
        checked = detection_options(self.metadata, given.pop("detail", self._detail), **given)
        found = self._detector.find([*pixels], checked, self.engine.next_run())
        return [
            self._closer(image, faces).of_image(image)
            for image, faces in zip(pixels, found, strict=True)
        ]

    async def run_async(self, image: ImageLike, **options: Any) -> Faces:
        """Call `run` in a thread, so that asyncio's event loop is not blocked.

        Arguments, result and errors are those of `run`. If the task is cancelled, it returns at
        once, and its thread continues to the end of the run.
        """
        import asyncio

        return await asyncio.to_thread(self.run, image, **options)

    def hold_up(self, image: ImageLike, faces: Faces, *, color: Color = "rgb") -> BoolArray:
        """Check faces that this network found by looking at them again, rotated.

        A face fails if a rotated view shows it better and with other landmarks: most such faces
        are upside down. Faces that clearly look upright pass without a check.

        Parameters
        ----------
        image : as for `run`
        faces : N faces that `run` found in it
        color : "rgb" or "bgr", the order of the channels of an array

        Returns
        -------
        bool, shape (N,)
            True for the faces that pass.

        Raises
        ------
        InvalidInputError
            If this network does not detect, the image cannot be read, or ``faces`` are none, have
            empty boxes, or places that are not finite.
        InferenceError
            If the backend fails.

        Notes
        -----
        See `edgeface.second_look`. It costs at most one pass, unless faces fail. Faces with a score
        below 0.2 are not looked at, and pass.
        """
        if not self.metadata.detects:
            raise InvalidInputError(f"a network of the kind {self.metadata.kind} does not detect")
        check_faces("hold_up", faces)
        array_of("landmarks_3d", faces.landmarks_3d, "(N, 68, 3)")
        boxes = array_of("boxes_xyxy", faces.boxes_xyxy, "(N, 4)")
        if (longer_sides(boxes) <= 0).any():
            raise InvalidInputError("hold_up takes faces whose boxes are not empty")
        pixels = read_image(image, color=color)
        return self._detector.hold_up(pixels, faces, self.engine.next_run())

    def decode(
        self,
        heads: Heads,
        placement: Placement,
        score_threshold: float,
        iou_threshold: float,
        *,
        max_faces: int | None = None,
        suppression: kernels.Suppression | None = None,
        engine: kernels.Engine | None = None,
    ) -> Faces:
        """Turn an MFN's raw outputs for one image into faces.

        Parameters
        ----------
        heads : the raw outputs that `infer` gives for one image, without the batch axis
        placement : where the image lies in the input, as `edgeface.image.letterbox` gives it
        score_threshold, iou_threshold, max_faces, suppression : the options of `run`
        engine : the kernels to use; by default those that a run would use now

        Raises
        ------
        InvalidInputError
            If the outputs are not those of this network, or an option is out of range.
        """
        check_heads(self.metadata, heads)
        score, iou = thresholds(self.metadata, score_threshold, iou_threshold)
        limit, method = suppression_of(max_faces, suppression)
        engine = self.engine.current if engine is None else engine
        return self._decoder.detected(
            heads,
            placement,
            score,
            iou,
            max_faces=limit,
            suppression=method,
            engine=engine,
        )

    def vertices(self, faces: Faces) -> Float32Array:
        """`Faces.vertices` of faces that this model found."""
        check_faces("vertices", faces)
        return faces.vertices(self.face_model)
