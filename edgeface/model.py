"""``load()`` and `Model`: image -> input -> heads -> candidates -> faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from edgeface import kernels, second_look
from edgeface.backends import Backend
from edgeface.engine import KernelChoice
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.heads import HeadDecoder
from edgeface.image import ImageLike, Placement, crop, letterbox, read_image
from edgeface.network import Heads, Network, Source
from edgeface.run_options import (
    check_heads,
    face_boxes,
    refuse_foreign_options,
    suppression_of,
    thresholds,
)
from edgeface.types import BoolArray, Float32Array, ImageArray
from edgeface.values import Flag, Text, Whole, option, path_of, shown

ASSETS = Path(__file__).parent / "assets"
BUNDLED = ("mfn", "sfn", "fusion")
"""Names that `load` takes besides paths: the networks that ship with edgeface."""

LEAST_SCORE = 0.05
"""What a second look takes for a hint of a face."""
MAX_THREADS = 1024


def load(
    path_or_name: str | os.PathLike[str],
    *,
    num_threads: int = 0,
    device: str | None = None,
    kernels: KernelChoice = "auto",
    input_size: int | None = None,
) -> Model:
    """Load a network.

    Parameters
    ----------
    path_or_name : a model file, or "mfn", "sfn" or "fusion" for a network that ships with edgeface
    num_threads : how many threads the backend may use; 0 leaves the choice to it
    device : what shall run the network, by default the CPU: an execution provider of ONNX Runtime
        ("CUDAExecutionProvider"), the shared library of a TFLite delegate
        ("libedgetpu.so.1"), CoreML's compute units ("CPU_AND_NE", by default "ALL"), or a device
        of torch ("cuda")
    kernels : which kernels run, "numba", "numpy" or "auto"; see `edgeface.engine.KernelEngine`
    input_size : the side of the square that the network sees, px; by default the one that the file
        names. An MFN's ONNX file takes every multiple of 32. The cost grows with the square of the
        size, and faces that are small in the image need a large one.

    Returns
    -------
    Model

    Raises
    ------
    InvalidInputError
        If there is no such file, or it takes no other ``input_size``.
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
    if isinstance(path_or_name, str) and path_or_name in BUNDLED:
        path_or_name = ASSETS / f"{path_or_name}.onnx"
    path = path_of("path_or_name", path_or_name).absolute()
    threads = option("num_threads", num_threads, Whole(0, MAX_THREADS))
    device = None if device is None else option("device", device, Text(longest=4096))
    return Model.from_source(Source(path, threads, device, kernels, input_size))


DEMO_PHOTO = ASSETS / "demo.jpg"


class Model(Network):
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
        self._decoder = HeadDecoder(self.metadata, self.face_model)

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
        keep_image: bool = False,
    ) -> Faces:
        """Find the faces of an image, or look at those whose boxes are given.

        A network that detects takes every option but ``boxes_xyxy``, one that looks at crops takes
        that alone.

        Parameters
        ----------
        image : uint8 array (H, W, 3) RGB, PIL image or path; see `read_image`
        boxes_xyxy : float, shape (N, 4), image_px; the faces to look at, by default one that
            fills the image. Of faces that another network found, `refine` keeps the scores too.
        score_threshold : in [0, 1]; by default the one that the file names
        iou_threshold : in [0, 1]; boxes that overlap a better one by more are suppressed
        max_faces : the best so many are reported, by default 100
        suppression : what becomes of the candidates that a better one suppresses
            "weighted", the default: the face is their mean, coefficients included; "greedy":
            they are dropped; "soft": they lose score. See `edgeface.kernels.find_faces`.
        look_again : whether faces that look wrong are looked at again and left out if they
            contradict themselves, by default True; see `hold_up`
        keep_image : whether the faces keep a reference to the image, so that `Faces.draw` and
            others need not be given it again

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
        """
        refuse_foreign_options(
            self.metadata,
            boxes_xyxy=boxes_xyxy,
            score_threshold=score_threshold,
            iou_threshold=iou_threshold,
            max_faces=max_faces,
            suppression=suppression,
            look_again=look_again,
        )
        kept = option("keep_image", keep_image, Flag())
        pixels = read_image(image)
        if not self.metadata.detects:
            return self._run_crops(pixels, boxes_xyxy).of_image(pixels, keep=kept)
        score, iou = thresholds(self.metadata, score_threshold, iou_threshold)
        limit, method = suppression_of(max_faces, suppression)
        engine = self.engine.next_run()
        input_tensor, placement = letterbox(pixels, self.metadata.input_size, engine)
        heads = self.infer(input_tensor[None])
        faces = self.decode(
            {n: h[0] for n, h in heads.items()},
            placement,
            score,
            iou,
            max_faces=limit,
            suppression=method,
            engine=engine,
        )
        if look_again is not False:
            faces = faces.select(self._hold_up(pixels, faces, engine))
        return faces.of_image(pixels, keep=kept)

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
        return self._hold_up(read_image(image), faces, self.engine.next_run())

    def _hold_up(self, pixels: ImageArray, faces: Faces, engine: kernels.Engine) -> BoolArray:
        def detect(input_tensor: ImageArray) -> Faces:
            """All faces of an input, down to low scores, in ``input_px``."""
            heads = {n: h[0] for n, h in self.infer(input_tensor[None]).items()}
            as_it_is = Placement(np.ones(2), np.zeros(2))
            iou = self.metadata.iou_threshold
            return self.decode(heads, as_it_is, LEAST_SCORE, iou, engine=engine)

        return second_look.hold_up(pixels, faces, self.metadata.input_size, detect)

    def refine(self, image: ImageLike, faces: Faces) -> Faces:
        """Look closer at faces that another network found, or that were expected there.

        Parameters
        ----------
        image : the image in which the faces were found, as `run` takes it
        faces : N faces; the network looks at one crop for the box of each

        Returns
        -------
        Faces
            The same N in the same order: boxes, scores, track ids and velocities are those of
            ``faces``, everything else is what this network saw.

        Raises
        ------
        InvalidInputError
            If this network finds its own faces instead of looking at crops, the image is none, or
            a box is empty.
        InferenceError
            If the backend fails.

        Examples
        --------
        >>> found = load("mfn").run(DEMO_PHOTO)
        >>> closer = load("sfn").refine(DEMO_PHOTO, found)
        >>> bool((closer.scores == found.scores).all())
        True
        """
        if self.metadata.detects:
            raise InvalidInputError(
                f"a network of the kind {self.metadata.kind} finds its own faces; to look closer "
                "at them is for an sfn and other networks that look at crops"
            )
        if not isinstance(cast(object, faces), Faces):
            raise InvalidInputError(f"refine takes faces that were found, got {shown(faces)}")
        pixels = read_image(image)
        looked = self._run_crops(pixels, faces.boxes_xyxy).of_image(pixels)
        return replace(
            looked,
            scores=faces.scores,
            track_ids=faces.track_ids,
            velocities=faces.velocities,
            image=faces.image,
        )

    def run_batch(
        self,
        images: Sequence[ImageLike],
        *,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
    ) -> list[Faces]:
        """The faces of several images by one call of an MFN's network; arguments as for `run`.

        All inputs are in memory at once: pass as many images as the device has room for.
        """
        if not self.metadata.detects:
            raise InvalidInputError(
                "run_batch is for an mfn; the batch of a network of the kind "
                f"{self.metadata.kind} is run(boxes_xyxy=)"
            )
        score, iou = thresholds(self.metadata, score_threshold, iou_threshold)
        if not isinstance(cast(object, images), (list, tuple)) and np.ndim(cast(Any, images)) != 4:
            raise InvalidInputError(
                f"run_batch takes a list of images, got {type(images).__name__}; one image is for "
                "run"
            )
        size, engine = self.metadata.input_size, self.engine.next_run()
        pixels = [read_image(image) for image in images]
        placed = [letterbox(image, size, engine) for image in pixels]
        tensors = np.array([tensor for tensor, _ in placed], np.uint8).reshape(-1, size, size, 3)
        heads = self.infer(tensors)
        found = [
            self.decode({n: h[i] for n, h in heads.items()}, placement, score, iou, engine=engine)
            for i, (_, placement) in enumerate(placed)
        ]
        return [
            faces.select(self._hold_up(image, faces, engine)).of_image(image)
            for image, faces in zip(pixels, found, strict=True)
        ]

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

    def _run_crops(self, pixels: ImageArray, boxes_xyxy: ArrayLike | None) -> Faces:
        size, scale = self.metadata.input_size, self.metadata.crop_scale
        engine = self.engine.current
        boxes = face_boxes(boxes_xyxy, pixels, scale)
        crops = [crop(pixels, box, scale, size) for box in boxes]
        tensors = np.array([c[0] for c in crops], np.uint8).reshape(-1, size, size, 3)
        heads = self.infer(tensors)
        placements = [c[1] for c in crops]
        return self._decoder.cropped(heads, boxes, placements, engine)

    def vertices(self, faces: Faces) -> Float32Array:
        """`Faces.vertices` of this model's `run`."""
        return replace(faces, face_model=self.face_model).vertices()
