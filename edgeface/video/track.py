"""One person in a video: where the face goes, and what is known of the identity so far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeface.face_arrays import place
from edgeface.faces import Faces
from edgeface.gaze import LIDS
from edgeface.lids import LidReach
from edgeface.types import BoolArray, FloatArray
from edgeface.video.smoothing import FaceSmoother, Strength

OUTLIER_RATIO = 2.5
"""How many usual distances an identity may lie from the mean to be averaged."""
MIN_SAMPLES = 8
"""How many identities are averaged before outliers are told."""
MAX_OUTLIERS = 20
"""So many outliers in a row are no outliers: the average starts anew."""
MAX_SAMPLES = 300
"""The most samples that the past weighs, so that the average still follows after minutes."""
REFRESH = 0.02
"""The change of the mean, in standard deviations, after which it is contracted again."""
SPEED_TIME_S = 0.15
"""The time over which velocities are averaged, and over which that of an unseen face fades."""


LIKENESS = 0.5
"""The least correlation of a face's look with the person's. On the clips, at 30 to 10 frames a
second, one right crop in a hundred has less, unless the face is small. If a face has moved from
under its crop, so that landmarks are off by a tenth of its size, the correlation is 0.47 at
most."""
LOOK_GAIN = 0.2
"""The weight of the last look in a person's."""
MAX_IDENTITY = 3.2
"""How far, in standard deviations, a face's identity may lie from a person's mean to be theirs. An
`mfn` and an `sfn` differ by 2.3 to 2.9 on one well-seen face of the demo photo."""


class IdentityAverage:
    """The running mean of a person's identity coefficients, without its outliers.

    Its contraction with the reduced tensor (204, 50, 47) is kept until the mean moves. So landmarks
    of a known person cost 204 x 47 products instead of 204 x 50 x 47.
    """

    def __init__(self, reduced: FloatArray) -> None:
        self._reduced = reduced
        self._contracted: FloatArray | None = None
        self._contracted_at: FloatArray | None = None
        self._restart()

    def _restart(self) -> None:
        self.mean: FloatArray | None = None
        self.num_samples = 0
        self._usual_distance = 0.0
        self._num_outliers = 0

    def add(self, identity: FloatArray) -> bool:
        """Take an estimate (50,); returns False if it is an outlier."""
        if self.mean is None:
            self.mean, self.num_samples = identity.astype(np.float64), 1
            return True
        distance = float(np.linalg.norm(identity - self.mean))
        usual = self._usual_distance / max(1, self.num_samples - 1)
        if self.num_samples >= MIN_SAMPLES and distance > OUTLIER_RATIO * usual:
            self._num_outliers += 1
            if self._num_outliers > MAX_OUTLIERS:
                self._restart()
                self.add(identity)
            return False
        self._num_outliers = 0
        if self.num_samples >= MAX_SAMPLES:
            self._usual_distance *= 1 - 1 / self.num_samples
        else:
            self.num_samples += 1
        self._usual_distance += distance
        self.mean = self.mean + (identity - self.mean) / self.num_samples
        return True

    def landmarks(self, expression: FloatArray) -> FloatArray:
        """The 68 landmarks (68, 3) of this person with an expression (46,), ``model`` frame."""
        if self.mean is None:
            raise ValueError("no identity has been added")
        moved = self._contracted_at is None or (
            np.abs(self.mean - self._contracted_at).max() > REFRESH
        )
        if self._contracted is None or moved:
            self._contracted = np.einsum("rik,i->rk", self._reduced, self.mean.astype(np.float32))
            self._contracted_at = self.mean
        weights = np.concatenate([[1.0 - expression.sum()], expression])
        return (self._contracted @ weights).reshape(-1, 3).astype(np.float32)


class Track:
    """State of one person; times in seconds, places in ``image_px``.

    Attributes
    ----------
    track_id : the person's number; 0 until the track is confirmed
    face : the face as it was last measured, with the mean identity and, if it is smoothed, lids on
        their own scale (`edgeface.lids`); a `Faces` with N = 1, set once `see` was called
    smoothed : the same face after smoothing
    velocity : how far the centre of the landmarks moves in a second, shape (2,)
    crop_box : the box at which a network of crops looked last, shape (4,); None if none did
    num_seen : the number of frames in which the face was seen
    seen_s : the time at which it was seen last
    num_missed : the number of detections in a row that did not find it
    """

    face: Faces
    smoothed: Faces

    def __init__(self, reduced: FloatArray, smoothing: Strength) -> None:
        self.track_id = 0
        self.velocity = np.zeros(2)
        self.crop_box: FloatArray | None = None
        self.num_seen, self.seen_s, self.num_missed = 0, 0.0, 0
        self.identity = IdentityAverage(reduced)
        self._appearance: FloatArray | None = None
        self._smooth = FaceSmoother(smoothing)
        self._lids = {} if smoothing == "off" else {name: LidReach() for name in LIDS}

    def see(self, face: Faces, time_s: float) -> None:
        """Take a new measurement, a `Faces` with N = 1."""
        dt = max(time_s - self.seen_s, 1e-3)
        if self.num_seen:
            moved = (_centre(face) - _centre(self.face)) / dt
            self.velocity += (1 - np.exp(-dt / SPEED_TIME_S)) * (moved - self.velocity)
        self.num_seen += 1
        self.seen_s = time_s
        self.identity.add(face.identity_coeffs[0])
        assert self.identity.mean is not None
        face = self._with_own_lids(face, time_s)
        shape = self.identity.landmarks(face.expression_coeffs[0])
        if face.correction_coeffs is not None and face.face_model is not None:
            shape = shape + face.face_model.corrected_landmarks(face.correction_coeffs[0])
        self.face = replace(
            face,
            identity_coeffs=self.identity.mean[None].astype(np.float32),
            landmarks_3d=place(shape[None], face),
        )
        self.smoothed = self._smooth(self.face, dt)

    def _with_own_lids(self, face: Faces, time_s: float) -> Faces:
        """The face with its lids on the scale from open, 0, to shut, 1."""
        names, expression = face.expression_names, face.expression_coeffs.copy()
        for name, lid in self._lids.items():
            if name in names and name not in face.unseen_expressions:
                column = names.index(name)
                value = float(expression[0, column])
                lid.see(time_s, value)
                expression[0, column] = lid(value)
        return replace(face, expression_coeffs=expression)

    def is_like(self, faces: Faces) -> BoolArray:
        """Whether each of N faces has this person's identity, bool, shape (N,)."""
        apart = np.linalg.norm(faces.identity_coeffs - self.face.identity_coeffs, axis=1)
        return apart <= MAX_IDENTITY

    def looks_like(self, look: FloatArray) -> bool:
        """Whether a look (V,), of `edgeface.appearance`, is this person's as far as known."""
        known = self._appearance
        return known is None or not known.any() or float(known @ look) >= LIKENESS

    def remember_look(self, look: FloatArray) -> None:
        """Average a look (V,) into the person's."""
        mixed = (
            look
            if self._appearance is None
            else self._appearance + LOOK_GAIN * (look - self._appearance)
        )
        self._appearance = mixed / max(float(np.linalg.norm(mixed)), 1e-6)

    def moved(self, faces: Faces, row: int) -> float:
        """How far a face lies from where this one was seen, in sizes of this one."""
        low, high = self.face.boxes_xyxy[0].reshape(2, 2).astype(np.float64)
        way = faces.boxes_xyxy[row].reshape(2, 2).mean(axis=0) - (low + high) / 2
        return float(np.linalg.norm(way) / np.sqrt((high - low).prod()))

    def shift_at(self, time_s: float) -> FloatArray:
        """How far the face should have moved since it was seen, shape (2,)."""
        unseen = max(time_s - self.seen_s, 0.0)
        return self.velocity * SPEED_TIME_S * (1 - np.exp(-unseen / SPEED_TIME_S))

    def at(self, time_s: float) -> Faces:
        """The smoothed face, moved to where it should be by now."""
        shift = self.shift_at(time_s)
        if not shift.any():
            return self.smoothed
        return replace(
            self.smoothed,
            boxes_xyxy=(self.smoothed.boxes_xyxy + np.tile(shift, 2)).astype(np.float32),
            landmarks_3d=(self.smoothed.landmarks_3d + np.append(shift, 0)).astype(np.float32),
        )

    def rescale(self, factor: FloatArray) -> None:
        """Follow a change of the stream's resolution by ``factor`` (2,), x and y."""
        depth = np.append(factor, factor.mean())
        self.face, self.smoothed = (
            replace(
                face,
                boxes_xyxy=(face.boxes_xyxy * np.tile(factor, 2)).astype(np.float32),
                landmarks_3d=(face.landmarks_3d * depth).astype(np.float32),
            )
            for face in (self.face, self.smoothed)
        )
        self.velocity, self.crop_box = self.velocity * factor, None
        self._smooth.reset()


def _centre(face: Faces) -> FloatArray:
    return face.landmarks_2d[0].mean(axis=0).astype(np.float64)
