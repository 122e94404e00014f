"""`Face`: one of the faces that a network saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeface.blendshapes import blendshapes
from edgeface.chips import aligned_chip
from edgeface.face_arrays import ROWS, FaceArrays
from edgeface.types import AnyArray, Float32Array, ImageArray

NUM_SHAPES = 3
"""Expressions that the line about a face names."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a `Faces`; its arrays are that object's rows."""

    faces: FaceArrays
    index: int

    def __str__(self) -> str:
        """Score, box, angles and the strongest expressions in a line."""
        box = ", ".join(f"{v:.0f}" for v in self.box_xyxy)
        pitch, yaw, roll = self.euler_deg
        strongest = sorted(self.blendshapes.items(), key=lambda item: -item[1])[:NUM_SHAPES]
        shapes = ", ".join(f"{name} {value:.2f}" for name, value in strongest)
        return (
            f"score {self.score:.2f}  box ({box})  "
            f"pitch {pitch:+z.0f} yaw {yaw:+z.0f} roll {roll:+z.0f} deg  {shapes}"
        )

    def __repr__(self) -> str:
        return f"Face({self})"

    def __eq__(self, other: object) -> bool:
        """Whether it is the same face: each of its arrays has the same values."""
        if not isinstance(other, Face):
            return NotImplemented
        mine, others = self._rows(), other._rows()
        return mine.keys() == others.keys() and all(
            np.array_equal(row, others[name], equal_nan=True) for name, row in mine.items()
        )

    def __hash__(self) -> int:
        # as equal numbers are, -0.0 and 0.0, too; one NaN is not equal to another
        return hash(tuple(None if v != v else v for v in self.box_xyxy.tolist()))

    def _rows(self) -> dict[str, AnyArray]:
        arrays = {name: getattr(self.faces, name) for name in ROWS}
        return {name: a[self.index] for name, a in arrays.items() if a is not None}

    @property
    def track_id(self) -> int | None:
        """The person's number, the same in every frame; None outside video."""
        ids = self.faces.track_ids
        return None if ids is None else int(ids[self.index])

    @property
    def velocity(self) -> Float32Array | None:
        """The velocity of the landmarks' centre, float32, shape (2,), image_px per second.

        None outside video.
        """
        velocities = self.faces.velocities
        return None if velocities is None else velocities[self.index]

    @property
    def box_xyxy(self) -> Float32Array:
        """Left, top, right and bottom edge of the box, float32, shape (4,), image_px."""
        return self.faces.boxes_xyxy[self.index]

    @property
    def score(self) -> float:
        """How sure the network is: the IoU that it expects of the box with a face, in [0, 1]."""
        return float(self.faces.scores[self.index])

    @property
    def landmarks_2d(self) -> Float32Array:
        """The 68 landmarks, float32, shape (68, 2), image_px."""
        return self.faces.landmarks_2d[self.index]

    @property
    def landmarks_3d(self) -> Float32Array:
        """The 68 landmarks with depth, float32, shape (68, 3), image_px."""
        return self.faces.landmarks_3d[self.index]

    @property
    def identity_coeffs(self) -> Float32Array:
        """The identity coefficients of the face model, float32, shape (50,)."""
        return self.faces.identity_coeffs[self.index]

    @property
    def expression_coeffs(self) -> Float32Array:
        """The expression coefficients of the face model, float32, shape (46,), in [0, 1].

        Their names are `Faces.expression_names`; `blendshapes` gives them by ARKit's names.
        """
        return self.faces.expression_coeffs[self.index]

    @property
    def rotation(self) -> Float32Array:
        """The rotation of the head, float32, shape (3, 3), ``model`` frame."""
        return self.faces.rotation[self.index]

    @property
    def euler_deg(self) -> Float32Array:
        """Pitch, yaw and roll of the head, float32, shape (3,), degrees."""
        return self.faces.euler_deg[self.index]

    @property
    def translation(self) -> Float32Array:
        """The place of the face model's origin before the camera, float32, (3,), model units."""
        return self.faces.translation[self.index]

    @property
    def focal(self) -> float:
        """The scale of the weak-perspective camera, face_norm per model unit."""
        return float(self.faces.focal[self.index])

    @property
    def gaze_deg(self) -> Float32Array | None:
        """Where the right and the left eye look, relative to the head.

        Pitch and yaw of each, float32, shape (2, 2), degrees; None if the network does not estimate
        them.
        """
        return None if self.faces.gaze_deg is None else self.faces.gaze_deg[self.index]

    @property
    def iris_centres(self) -> Float32Array:
        """Where the right and the left iris lie, float32, shape (2, 2), image_px.

        NaN if the network does not estimate the gaze.
        """
        return self.faces.select([self.index]).iris_centres[0]

    def vertices(self) -> Float32Array:
        """The dense mesh, float32, shape (V, 3), image_px with depth; see `Faces.vertices`."""
        return self.faces.select(np.array([self.index])).vertices()[0]

    def to_obj(self) -> str:
        """The surface as a Wavefront OBJ file: x right, y up, z towards the viewer, pixels."""
        vertices = self.vertices() * [1, -1, -1]
        model = self.faces.model_of_faces()
        lines = ["v {:.3f} {:.3f} {:.3f}".format(*v) for v in vertices.tolist()]
        lines += ["vt {:.5f} {:.5f}".format(*place) for place in model.uv.tolist()]
        corner = "{0}/{0}" if len(model.uv) else "{0}"
        for triangle in (model.triangles + 1).tolist():
            lines.append("f " + " ".join(corner.format(v) for v in triangle))
        return "\n".join(lines) + "\n"

    @property
    def blendshapes(self) -> dict[str, float]:
        """Expressions in [0, 1] by ARKit's names; those that are not estimated are absent."""
        faces = self.faces
        return blendshapes(
            faces.expression_names, self.expression_coeffs, faces.unseen_expressions, self.gaze_deg
        )

    @property
    def arkit_coeffs(self) -> Float32Array:
        """The expressions in the order of `edgeface.ARKIT_NAMES`, float32, shape (52,), in [0, 1].

        An expression that the network does not estimate is NaN.
        """
        return self.faces.select([self.index]).arkit_coeffs[0]

    def crop_to(self, image: Any = None, *, size: int = 112) -> ImageArray:
        """Cut out an aligned crop of the face: rotated upright, and scaled to a fixed size.

        Eyes, nose and mouth lie where face recognition networks such as ArcFace expect them; see
        `edgeface.chips.aligned_chip`.

        Parameters
        ----------
        image : anything that `edgeface.read_image` takes; by default the one kept by
            ``run(image, keep_image=True)``
        size : the side of the crop, px

        Returns
        -------
        uint8, shape (size, size, 3), RGB; black beyond the image

        Raises
        ------
        InvalidInputError
            If there is no image, or the size is out of range.

        Examples
        --------
        >>> import edgeface
        >>> face = edgeface.load("mfn").run(edgeface.DEMO_PHOTO)[0]
        >>> face.crop_to(edgeface.DEMO_PHOTO).shape
        (112, 112, 3)
        """
        return aligned_chip(self.faces.image_or(image), self.landmarks_2d, size)

    def to_dict(self) -> dict[str, Any]:
        """All data of this face as plain Python values, ready for JSON.

        Returns
        -------
        dict
            The attributes of this class by name, as numbers and nested lists. ``track_id`` and
            ``velocity`` are there if the face was tracked, ``gaze_deg`` and ``iris_centres`` if the
            network estimates the gaze. There is no ``arkit_coeffs``, since ``blendshapes`` has the
            same values by name.
        """
        tracked: dict[str, Any] = {}
        if self.track_id is not None:
            tracked = {"track_id": self.track_id}
        if self.velocity is not None:
            tracked["velocity"] = self.velocity.tolist()
        looking: dict[str, Any] = {}
        if self.gaze_deg is not None and np.isfinite(self.gaze_deg).all():
            looking = {
                "gaze_deg": self.gaze_deg.tolist(),
                "iris_centres": self.iris_centres.tolist(),
            }
        known = tracked | {
            "box_xyxy": self.box_xyxy.tolist(),
            "score": self.score,
            "landmarks_2d": self.landmarks_2d.tolist(),
            "landmarks_3d": self.landmarks_3d.tolist(),
            "euler_deg": self.euler_deg.tolist(),
            "rotation": self.rotation.tolist(),
            "blendshapes": self.blendshapes,
            "identity_coeffs": self.identity_coeffs.tolist(),
            "expression_coeffs": self.expression_coeffs.tolist(),
            "translation": self.translation.tolist(),
            "focal": self.focal,
        }
        return known | looking
