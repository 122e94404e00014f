"""The teacher that labels free photos: MediaPipe FaceLandmarker, Apache-2.0."""

# MediaPipe tells no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.errors import BackendUnavailableError
from edgeface.types import Float32Array, ImageArray

LEAST_CONFIDENCE = 0.3


class Teacher:
    """Finds the most prominent face of an image, its mesh and its blendshape scores.

    Parameters
    ----------
    task : the file ``face_landmarker.task``

    Raises
    ------
    BackendUnavailableError
        If MediaPipe is not installed.
    """

    def __init__(self, task: Path) -> None:
        try:
            self._mediapipe: Any = importlib.import_module("mediapipe")
            tasks: Any = importlib.import_module("mediapipe.tasks.python")
        except ImportError as error:
            raise BackendUnavailableError(
                "labelling photos needs MediaPipe: pip install mediapipe, best in an environment "
                "of its own"
            ) from error
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(task)),
            output_face_blendshapes=True,
            num_faces=1,
            min_face_detection_confidence=LEAST_CONFIDENCE,
            min_face_presence_confidence=LEAST_CONFIDENCE,
        )
        self._landmarker: Any = tasks.vision.FaceLandmarker.create_from_options(options)
        self.names: tuple[str, ...] = ()

    def look(self, pixels: ImageArray) -> tuple[Float32Array, Float32Array] | None:
        """The mesh (478, 3) in ``image_px`` and the scores (52,) of a face; None if it sees none.

        ``names`` are those of the scores, once it has seen a face.
        """
        media = self._mediapipe
        image = media.Image(image_format=media.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
        found = self._landmarker.detect(image)
        if not found.face_landmarks:
            return None
        height, width = pixels.shape[:2]
        mesh = [(p.x * width, p.y * height, p.z * width) for p in found.face_landmarks[0]]
        shapes = found.face_blendshapes[0]
        self.names = tuple(str(shape.category_name) for shape in shapes)
        return np.array(mesh, np.float32), np.array([s.score for s in shapes], np.float32)

    def close(self) -> None:
        """Free what MediaPipe holds."""
        self._landmarker.close()
