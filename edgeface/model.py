"""``load()`` and `Model`: image -> input -> heads -> candidates -> faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from edgeface import kernels
from edgeface.backends import Backend
from edgeface.closer import CloserLook
from edgeface.colours import ChannelCheck
from edgeface.detector import Detector
from edgeface.engine import KernelChoice
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.image import ImageLike, Placement, read_image
from edgeface.many import ManyImages
from edgeface.network import Heads, Source
from edgeface.pixels import Color
from edgeface.ready import ASSETS
from edgeface.run_options import (
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
from edgeface.values import Flag, Text, Whole, option

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
    """Load a network.

    Parameters
    ----------
    path_or_name : a model file, or the name of a network that ships with edgeface: "mfn", "sfn",
        "sfn-free" or "fusion"
    num_threads : how many threads the backend may use; 0 leaves the choice to it
    device : what shall run the network, by default the CPU: an execution provider of ONNX Runtime
        ("CUDAExecutionProvider"), the shared library of a TFLite delegate
        ("libedgetpu.so.1"), CoreML's compute units ("CPU_AND_NE", by default "ALL"), or a device
        of torch ("cuda")
    kernels : which kernels run, "numba", "numpy" or "auto"; see `edgeface.engine.KernelEngine`
    input_size : the side of the square that the network sees, px; by default the one that the file
        names. An MFN's ONNX file takes every multiple of 32. The cost grows with the square of the
        size, and faces that are small in the image need a large one.
    precision : of a network that ships, "fp32" (the default) or "int8", for the first engine here
        that runs it. Which is faster depends on the processor; ``edgeface bench choose`` tells. A
        file has the precision that it was written in.
    detail : how closely `Model.run` looks at an image, for a network that detects
        "fast" is one pass over the whole image: constant cost. "auto" looks closer where that pass
        gives reason to: at small faces that it is not sure of, or where it sees nobody. "full"
        looks closer everywhere, until the image's own pixels are seen, at a cost that grows with
        the image. See `edgeface.passes`.
    refine : a network that looks at crops, named as the first argument, which looks again at the
        faces that `Model.run` finds, as `Model.refine` does; at most at `MAX_REFINED` of them

    Returns
    -------
    Model

    Raises
    ------
    InvalidInputError
        If there is no such file, it takes no other ``input_size`` or ``precision``, or the two
        networks do not fit.
    ModelFormatError, MetadataError
        If the file is damaged, of an unknown kind or version, or does not describe itself.
    BackendUnavailableError
        If the library that runs it, numba, or the device is not there; the message names the
        remedy.

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
    """A loaded network; ``metadata`` says what it is, ``face_model`` what it speaks of.

    One model may be used from several threads. ONNX Runtime and PyTorch then run side by side,
    TFLite and CoreML one call after another: give each thread its own `clone` there. Pickling (for
    worker processes) stores the file's path and loads it again. As a context manager, it closes
    itself.
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
        """Find the faces of an image, or look at those whose boxes are given.

        A network that detects takes every option but ``boxes_xyxy``, one that looks at crops takes
        that alone.

        Parameters
        ----------
        image : path, web address, bytes, open file, PIL image, array or tensor; see `read_image`
        boxes_xyxy : float, shape (N, 4), image_px; the faces to look at, by default one that
            fills the image. Of faces that another network found, `refine` keeps the scores too.
        score_threshold : in [0, 1]; by default the one that the file names
        iou_threshold : in [0, 1]; boxes that overlap a better one by more are suppressed
        max_faces : the best so many are reported, by default 1,000; `Faces.truncated` says whether
            there were more
        suppression : what becomes of the candidates that a better one suppresses
            "weighted", the default: the face is their mean, coefficients included; "greedy":
            they are dropped; "soft": they lose score. See `edgeface.kernels.find_faces`.
        look_again : whether faces that look wrong are looked at again and left out if they
            contradict themselves, by default True; see `hold_up`
        detail : "auto", "fast" or "full", by default as the model was loaded; see `load`
        keep_image : whether the faces keep a reference to the image, so that `Faces.draw` and
            others need not be given it again
        color : "rgb" or "bgr", the order of the channels of an array; by default "rgb", with a
            warning if the first faces look otherwise, see `edgeface.colours`

        Returns
        -------
        Faces
            By falling score; N = 0 where there is none.

        Raises
        ------
        InvalidInputError
            If the image or another argument is not as described, or is an option that networks
            of this kind do not have.
        InferenceError
            If the backend fails.

        Warns
        -----
        TooManyFacesWarning
            If there are more faces than ``max_faces``, which was not given.
        SwappedChannelsWarning
            If an array seems to be BGR, once.
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
            return self._crops(pixels, boxes_xyxy).of_image(pixels, keep=kept)
        (faces,) = self.find([pixels], options)
        if color is None:
            self._channels.look(image, pixels, faces)
        return faces.of_image(pixels, keep=kept)

    def find(self, pixels: Sequence[ImageArray], options: dict[str, Any]) -> list[Faces]:
        """The faces of images that are read, uint8 (H, W, 3).

        Parameters
        ----------
        pixels : N images, as `read_image` gives them
        options : of `run`: thresholds, ``max_faces``, ``suppression``, ``look_again``, ``detail``

        Raises
        ------
        InvalidInputError
            If the network looks at crops, or an option is none or not as described.
        InferenceError
            If the backend fails.
        """
        if not self.metadata.detects:
            raise InvalidInputError(
                "run_batch is for an mfn; the batch of a network of the kind "
                f"{self.metadata.kind} is run(boxes_xyxy=)"
            )
        given = {name: value for name, value in options.items() if value is not None}
        checked = detection_options(self.metadata, given.pop("detail", self._detail), **given)
        found = self._detector.find([*pixels], checked, self.engine.next_run())
        return [
            self._closer(image, faces).of_image(image)
            for image, faces in zip(pixels, found, strict=True)
        ]

    async def run_async(self, image: ImageLike, **options: Any) -> Faces:
        """`run` in a thread of asyncio's own pool, so that the event loop goes on meanwhile.

        Arguments, result and errors are those of `run`. A task that is cancelled returns at once,
        while its thread goes on to the end of the run.
        """
        import asyncio

        return await asyncio.to_thread(self.run, image, **options)

    def hold_up(self, image: ImageLike, faces: Faces) -> BoolArray:
        """Which faces that this network found hold up when it looks again, at them turned.

        A face that is seen better lying otherwise, and with other landmarks, is not as it was
        reported: most are upside down. Those that look as upright faces do are believed.

        Parameters
        ----------
        image : as for `run`
        faces : N faces that `run` found there

        Returns
        -------
        bool, shape (N,)

        Raises
        ------
        InvalidInputError
            If this network does not detect, or the image is none.
        InferenceError
            If the backend fails.

        Notes
        -----
        See `edgeface.second_look`. It costs one pass at most, unless faces are refused.
        """
        if not self.metadata.detects:
            raise InvalidInputError(f"a network of the kind {self.metadata.kind} does not detect")
        return self._detector.hold_up(read_image(image), faces, self.engine.next_run())

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
        """An MFN's raw outputs for one image, without the batch axis, to faces.

        Parameters
        ----------
        heads : the raw outputs that `infer` gives for one image, without the batch axis
        placement : where the image lies in the input, as `edgeface.image.letterbox` gives it
        score_threshold, iou_threshold, max_faces, suppression : the options of `run`
        engine : which kernels run; by default those that a run would use now

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
        """`Faces.vertices` of this model's `run`."""
        return replace(faces, face_model=self.face_model).vertices()
