"""Where eyes look: the ball that an iris moves on, and the iris centres that directions give."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeface.types import Float32Array, Float64Array, FloatArray

EYE_CORNERS = ((36, 39), (42, 45))
"""The landmarks of the corners of the right eye and of the left eye."""
EYE_CENTRE = (0.04, 0.08, -0.2)
"""From the middle between an eye's corners to its ball's centre, in eye widths: outwards from the
nose, up, and out of the face (`docs/explanation/labels.md`)."""
EYE_RADIUS = 0.4
"""The distance from the ball's centre to the iris centre, in eye widths."""
FULL_LOOK_DEG = (22.0, 38.0)
"""The pitch and the yaw of an eye at which ARKit's names for it are 1, either way: the teacher's
scores rise so with the angles of its irises (`docs/explanation/labels.md`)."""
LOOKS = tuple(f"eyeLook{way}{side}" for side in ("Right", "Left")
              for way in ("Up", "Down", "In", "Out"))  # fmt: skip
"""ARKit's names for where the eyes look."""
SHUT_BLINK = 0.6
"""From this blink on nobody sees where an eye looks."""
LIDS = ("eyeBlinkRight", "eyeBlinkLeft")
"""ARKit's names for the blinks of the right and the left eye."""
IMAGE_AXES = np.array([1.0, -1.0, -1.0])
"""What turns vectors of ``model`` into those of an image: y points down and z away."""


def gaze_directions(gaze_deg: FloatArray) -> Float64Array:
    """The unit vectors (..., 3), ``model``, of pitch and yaw (..., 2) in degrees.

    A direction is ``Rx(pitch) Ry(yaw) (0, 0, 1)``, as the nose's is in a head's rotation.

    Examples
    --------
    >>> gaze_directions(np.array([0.0, 90.0])).round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    pitch, yaw = np.moveaxis(np.deg2rad(gaze_deg.astype(np.float64)), -1, 0)
    return np.stack(
        [np.sin(yaw), -np.sin(pitch) * np.cos(yaw), np.cos(pitch) * np.cos(yaw)], axis=-1
    )


def eye_balls(landmarks_3d: FloatArray, rotation: FloatArray) -> tuple[Float64Array, Float64Array]:
    """The balls that the irises of N faces move on.

    Parameters
    ----------
    landmarks_3d : shape (N, 68, 3), image_px, z away from the camera in the same unit
    rotation : shape (N, 3, 3), the head's rotation, ``model``

    Returns
    -------
    centres (N, 2, 3), image_px with depth, of the right and the left eye, and radii (N, 2), px
    """
    points, turn = landmarks_3d.astype(np.float64), rotation.astype(np.float64)
    inner_outer = points[:, np.array(EYE_CORNERS)]  # (N, 2, 2, 3)
    middle = inner_outer.mean(axis=2)
    width = np.linalg.norm(inner_outer[:, :, 0] - inner_outer[:, :, 1], axis=-1)
    outwards, up, forward = EYE_CENTRE
    offset = np.array([[-outwards, up, forward], [outwards, up, forward]])
    turned = np.einsum("nij,ej->nei", turn, offset) * IMAGE_AXES
    return middle + width[..., None] * turned, EYE_RADIUS * width


def iris_centres(
    landmarks_3d: FloatArray, rotation: FloatArray, gaze_deg: FloatArray
) -> Float32Array:
    """Where the irises of N faces lie in the image, float32 (N, 2, 2), image_px; NaN where gaze is.

    Parameters
    ----------
    landmarks_3d, rotation : those of `eye_balls`
    gaze_deg : shape (N, 2, 2), pitch and yaw of the right and the left eye, relative to the head

    Notes
    -----
    ``iris = m + w D R (c + r g)``, of which x and y are taken, where ``m`` is the middle between
    the eye's corners, ``w`` their distance, ``D = diag(1, -1, -1)``, ``R`` the head's rotation,
    ``c`` `EYE_CENTRE`, ``r`` `EYE_RADIUS`, and ``g`` the direction (`gaze_directions`).
    """
    centres, radii = eye_balls(landmarks_3d, rotation)
    looks = np.einsum("nij,nej->nei", rotation.astype(np.float64), gaze_directions(gaze_deg))
    return (centres + radii[..., None] * looks * IMAGE_AXES)[..., :2].astype(np.float32)


def eye_looks(gaze_deg: FloatArray) -> Float32Array:
    """The values of `LOOKS`, float32 (N, 8), in [0, 1], of pitch and yaw (N, 2, 2) in degrees.

    Examples
    --------
    >>> to_the_left = np.array([[[0.0, 19.0], [0.0, 19.0]]])
    >>> dict(zip(LOOKS, eye_looks(to_the_left)[0].tolist()))["eyeLookOutLeft"]
    0.5
    """
    pitch, yaw = np.moveaxis(gaze_deg / np.array(FULL_LOOK_DEG), -1, 0)  # (N, 2) each
    inwards = yaw * [1, -1]  # the right eye looks at the nose when it looks to the left
    looks = np.stack([-pitch, pitch, inwards, -inwards], axis=-1)
    return looks.reshape(len(gaze_deg), len(LOOKS)).clip(0, 1).astype(np.float32)


def gaze_from_looks(shapes: Mapping[str, float]) -> Float64Array:
    """The inverse of `eye_looks`: pitch and yaw (2, 2) in degrees of shapes by ARKit's names.

    Shapes that are absent or NaN count as 0.
    """
    values = np.array([shapes.get(name, 0.0) for name in LOOKS]).reshape(2, 4)
    up, down, inwards, out = np.nan_to_num(values).T
    yaw = (inwards - out) * [1, -1]
    return np.stack([down - up, yaw], axis=1) * np.array(FULL_LOOK_DEG)


def eye_quaternions(gaze_deg: FloatArray) -> Float64Array:
    """The unit quaternions (..., 4), w first, of eyes that turn by pitch and yaw (..., 2), degrees.

    Examples
    --------
    >>> eye_quaternions(np.array([0.0, 90.0])).round(4).tolist()
    [0.7071, 0.0, 0.7071, 0.0]
    """
    half = np.deg2rad(np.asarray(gaze_deg, np.float64)) / 2
    (cos_p, cos_y), (sin_p, sin_y) = (
        np.moveaxis(np.cos(half), -1, 0),
        np.moveaxis(np.sin(half), -1, 0),
    )
    return np.stack([cos_p * cos_y, sin_p * cos_y, cos_p * sin_y, sin_p * sin_y], axis=-1)
