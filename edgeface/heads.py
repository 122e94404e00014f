"""`HeadDecoder` tells what the raw outputs of a network mean: heads -> candidates -> faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgeface import kernels
from edgeface.face_model import NUM_IDENTITY, FaceModel
from edgeface.faces import Faces
from edgeface.image import Placement
from edgeface.kinds import ROTATION_VECTOR_POSE
from edgeface.metadata import Metadata
from edgeface.types import Float32Array, Float64Array


class HeadDecoder:
    """Makes faces of the outputs of a network with some metadata and face model."""

    def __init__(self, metadata: Metadata, face_model: FaceModel) -> None:
        self._metadata = metadata
        self._face_model = face_model
        self._anchors = np.array(metadata.anchors, np.float32)
        self._basis = kernels.Basis.from_shapes(
            *face_model.landmark_shapes,
            face_model.landmark_harmonics if metadata.network_kind.corrects_shape else None,
        )

    def detected(
        self,
        heads: Mapping[str, Float32Array],
        placement: Placement,
        score_threshold: float,
        iou_threshold: float,
        *,
        max_faces: int,
        suppression: kernels.Suppression,
        engine: kernels.Engine,
    ) -> Faces:
        """Decode the faces that a network detects in an image (`edgeface.Model.decode`)."""
        found = kernels.find_faces(
            heads,
            self._anchors,
            self._metadata.stride,
            score_threshold,
            iou_threshold,
            max_faces=max_faces,
            method=suppression,
            cell_range=self._metadata.cell_range,
            engine=engine,
        )
        return self.posed(found, placement, engine)

    def candidates(
        self,
        heads: Mapping[str, Float32Array],
        placement: Placement,
        score_threshold: float,
        engine: kernels.Engine,
    ) -> kernels.FoundFaces:
        """Decode every candidate of an image, with raw coefficients; boxes are in ``image_px``."""
        found = kernels.find_candidates(
            heads,
            self._anchors,
            self._metadata.stride,
            score_threshold,
            cell_range=self._metadata.cell_range,
            engine=engine,
        )
        boxes = placement.to_image(found.boxes_xyxy.reshape(-1, 2, 2)).reshape(-1, 4)
        return found._replace(boxes_xyxy=boxes)

    def posed(
        self, found: kernels.FoundFaces, placement: Placement, engine: kernels.Engine
    ) -> Faces:
        """Make faces of raw coefficients and boxes that lie where the placement says."""
        place = np.concatenate([placement.scale, placement.offset])[None]
        return self._assemble(found, place, engine)

    def cropped(
        self,
        heads: Mapping[str, Float32Array],
        boxes_xyxy: Float32Array,
        placements: Sequence[Placement],
        engine: kernels.Engine,
    ) -> Faces:
        """Decode the faces of boxes (N, 4), image_px, each of which the network saw in a crop.

        ``heads`` are the outputs of all N crops; ``placements`` say where the image lies in each.
        """
        metadata, kind = self._metadata, self._metadata.network_kind
        size = metadata.input_size
        side = size / metadata.crop_scale
        centred = np.array([size - side, size - side, size + side, size + side]) / 2
        pose = heads["pose"]
        identity = heads["identity"] if kind.gives_identity else _mean_identity(len(pose))
        if kind.corrects_shape:  # a correction is so many modes more
            identity = np.concatenate([identity, heads["correction"]], axis=1)
        if kind.pose is ROTATION_VECTOR_POSE:
            pose = kernels.pose_from_vector(pose)
        found = kernels.FoundFaces(
            np.tile(centred.astype(np.float32), (len(boxes_xyxy), 1)),
            np.ones(len(boxes_xyxy), np.float32),
            identity,
            heads["expression"],
            pose,
        )
        places = np.array([[*p.scale, *p.offset] for p in placements]).reshape(-1, 4)
        gaze = np.rad2deg(heads["gaze"]).reshape(-1, 2, 2) if metadata.gaze else None
        seen = self._assemble(found, places, engine)
        return replace(seen, boxes_xyxy=boxes_xyxy, gaze_deg=gaze)

    def _assemble(
        self, found: kernels.FoundFaces, placements: Float64Array, engine: kernels.Engine
    ) -> Faces:
        """Make faces of raw coefficients and boxes in ``input_px``, by one or more placements."""
        corrected = self._metadata.network_kind.corrects_shape
        if not corrected:
            found = _reflected_back(found)
        posed = kernels.pose_faces(
            self._basis,
            found.boxes_xyxy,
            found.identity,
            found.expression,
            found.pose,
            placements,
            engine=engine,
        )
        return Faces(
            boxes_xyxy=posed.boxes_xyxy,
            scores=found.scores,
            landmarks_3d=posed.landmarks,
            identity_coeffs=found.identity[:, :NUM_IDENTITY],
            expression_coeffs=posed.expression,
            rotation=posed.rotation,
            euler_deg=posed.euler_deg,
            translation=posed.translation,
            focal=posed.focal,
            expression_names=self._metadata.expression_names,
            unseen_expressions=self._metadata.unseen_expressions,
            face_model=self._face_model,
            correction_coeffs=found.identity[:, NUM_IDENTITY:] if corrected else None,
        )


def _reflected_back(found: kernels.FoundFaces) -> kernels.FoundFaces:
    """The same faces, with a half turn where a network has reflected the shape instead.

    Without perspective, a shape that is reflected through its origin looks as if it were upside
    down, and networks learn to do that for faces that are: their first identity coefficient, 1 in
    the mean of people, is then negative. In the image, ``R (-s)`` is ``Rz(180 deg) R s``.
    """
    reflected = found.identity[:, :1] < 0
    if not reflected.any():
        return found
    w, x, y, z = found.pose[:, :4].T
    half_turned = np.stack([-z, -y, x, w], axis=1)
    pose = found.pose.copy()
    pose[:, :4] = np.where(reflected, half_turned, pose[:, :4])
    identity = np.where(reflected, -found.identity, found.identity)
    return found._replace(identity=identity, pose=pose)


def _mean_identity(count: int) -> Float32Array:
    """Coefficients (N, 50) of the face model's mean face."""
    identity = np.zeros((count, NUM_IDENTITY), np.float32)
    identity[:, 0] = 1.0
    return identity
