"""`CloserLook`: what a model does with crops of an image, one for each face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from edgeface import turning
from edgeface.backends import Backend
from edgeface.crops import MAX_REFINED, CropLooker, check_refiner, largest_first
from edgeface.engine import KernelChoice
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces, check_faces, concatenate
from edgeface.heads import HeadDecoder
from edgeface.image import ImageLike, read_image
from edgeface.network import Network, Source
from edgeface.pixels import Color
from edgeface.run_options import check_gives_faces, face_boxes
from edgeface.types import ImageArray
from edgeface.values import Whole, option


class CloserLook(Network):
    """The methods of `edgeface.Model` that look at crops, by itself or by a second network."""

    def __init__(
        self,
        backend: Backend,
        kernel_choice: KernelChoice = "auto",
        source: Source | None = None,
    ) -> None:
        super().__init__(backend, kernel_choice, source)
        self._decoder = HeadDecoder(self.metadata, self.face_model)
        self._looker = CropLooker(self.metadata, self._decoder, self.infer)
        self._refiner: CloserLook | None = None
        if source is not None and source.refine is not None:
            self._refiner = CloserLook.from_source(source.refine)
            check_refiner(self, self._refiner)

    def close(self) -> None:
        """`Network.close`, of both networks where there are two."""
        super().close()
        if self._refiner is not None:
            self._refiner.close()

    def refine(
        self,
        image: ImageLike,
        faces: Faces,
        *,
        max_faces: int | None = None,
        color: Color = "rgb",
    ) -> Faces:
        """Run this crop network on faces that another network found.

        Parameters
        ----------
        image : the image in which the faces were found, as `run` takes it
        faces : N faces; the network runs on the crop around the box of each, which is turned by
            quarters until the face is upright to 45 degrees
        max_faces : the largest number of faces to refine, by default all
            The largest faces are refined; the others stay as they are.
        color : "rgb" or "bgr", the order of the channels of an array

        Returns
        -------
        Faces
            The same N faces in the same order. Boxes, scores, track ids and velocities are those
            of ``faces``; everything else is this network's.

        Raises
        ------
        InvalidInputError
            If this is not a crop network, the image cannot be read, or a box is empty; if
            ``max_faces`` would leave faces of another face model beside those of this network's.
        InferenceError
            If the backend fails.

        Examples
        --------
        >>> import edgeface
        >>> found = edgeface.load("mfn").run(edgeface.DEMO_PHOTO)
        >>> closer = edgeface.load("sfn").refine(edgeface.DEMO_PHOTO, found)
        >>> bool((closer.scores == found.scores).all())
        True
        """
        if self.metadata.detects:
            raise InvalidInputError(
                f"a network of the kind {self.metadata.kind} finds its own faces; to look closer "
                "at them is for an sfn and other networks that look at crops"
            )
        check_faces("refine", faces)
        pixels = read_image(image, color=color)
        if max_faces is None:
            return self._seen_by_this(pixels, faces)
        order, limit = largest_first(faces), option("max_faces", max_faces, Whole(0, 10**6))
        known = faces.face_model_sha256 if faces.face_model is None else faces.face_model.sha256
        if limit < len(faces) and known not in (None, self.face_model.sha256):
            raise InvalidInputError(
                "these faces are of another face model than this network's, so that all of them "
                "are refined or none: leave max_faces out"
            )
        closer = self._seen_by_this(pixels, faces.select(order[:limit]))
        both = concatenate([closer, faces.select(order[limit:])], closer)
        return both.select(np.argsort(order))

    def _closer(self, pixels: ImageArray, faces: Faces) -> Faces:
        """Faces as the second network sees them, where there is one."""
        if self._refiner is None:
            return faces
        return self._refiner.refine(pixels, faces, max_faces=MAX_REFINED)

    def _seen_by_this(self, pixels: ImageArray, faces: Faces) -> Faces:
        """`refine` of all faces."""
        return replace(
            self._upright_crops(pixels, faces).of_image(pixels),
            boxes_xyxy=faces.boxes_xyxy,  # which turning rounds
            scores=faces.scores,
            track_ids=faces.track_ids,
            velocities=faces.velocities,
            image=faces.image,
            image_file=faces.image_file,
            truncated=faces.truncated,
        )

    def _upright_crops(self, pixels: ImageArray, faces: Faces) -> Faces:
        """Look at crops of faces, each turned by as many quarters as set the face upright."""
        turns = turning.upright_turns(faces)
        if not turns.any():
            return self._crops(pixels, faces.boxes_xyxy)
        size_hw = pixels.shape[0], pixels.shape[1]
        looks: list[Faces] = []
        for turn in np.unique(turns).tolist():
            turned = np.rot90(pixels, turn)
            boxes = turning.turn_boxes(faces.boxes_xyxy[turns == turn], turn, size_hw)
            look = self._crops(turned, boxes)
            looks.append(turning.turn_faces(look, -turn, (turned.shape[0], turned.shape[1])))
        by_turn = np.argsort(turns, kind="stable")
        return concatenate(looks, looks[0]).select(np.argsort(by_turn))

    def _crops(self, pixels: ImageArray, boxes_xyxy: ArrayLike | None) -> Faces:
        check_gives_faces(self.metadata)
        boxes = face_boxes(boxes_xyxy, pixels, self.metadata.crop_scale)
        return self._looker.look(pixels, boxes, self.engine.current)
