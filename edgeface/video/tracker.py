"""`Tracker`, which follows the faces of a video and gives each a number that stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeface.appearance import appearance
from edgeface.boxes import iou_matrix
from edgeface.crops import check_refiner
from edgeface.errors import InvalidInputError
from edgeface.faces import Faces, concatenate
from edgeface.image import ImageLike, read_image
from edgeface.metadata import Metadata
from edgeface.model import Model
from edgeface.personal.model import PersonalModel
from edgeface.personal.placing import check_mesh, place_person
from edgeface.pixels import Color
from edgeface.run_options import Detail, checked_detail
from edgeface.types import FloatArray, ImageArray
from edgeface.values import Number, Whole, option, shown
from edgeface.video.association import match
from edgeface.video.geometry import boxes_around, rebox, without_doubles
from edgeface.video.smoothing import Strength, settings_of
from edgeface.video.track import Track

KEEP_RATIO = 0.7
"""The score that continues a known face, as a share of the one that a new face needs."""
NUM_TO_CONFIRM = 2
"""The frames in a row in which a new face must be seen; in a video's first frame, one is enough."""
COAST_S = 0.11
"""How long a face that was missed is still reported, moved on: three frames at 30 a second."""
REMEMBER_S = 1.5
"""How long an unseen face keeps its number."""
MAX_DOUBTS = 5
"""How many detections in a row may miss a face that the crops still follow."""
DETECT_EVERY_S = 0.5
"""The longest time between two detections, however few frames that is."""
SPARSE_S = 0.101
"""Frames further apart are all searched, since anything may have happened meanwhile."""
MOVED = 0.3
"""A face that moves by this share of its size from frame to frame is searched for."""
DRIFT_IOU = 0.5
"""A followed box that overlaps the detected one by less is corrected."""
HOLD_IOU = 0.85
"""A crop stays where it is while the face fills it so well; its jitter would feed itself."""
DEFAULT_FPS = 30.0
MAX_TIME_S = 1e10
"""The latest time of a frame: beyond any clock, and frames of 1 ms are still apart."""


class Tracker:
    """Follows the faces of a video, and gives each person a track id that stays.

    Give the frames to `update` one by one. For another video, call `reset`.

    Parameters
    ----------
    model : a network that detects, `edgeface.load("mfn")`
    crop_model : a crop network with the same face model, such as `edgeface.load("sfn")`
        With it, each face is analysed in a crop where it was in the last frame, and ``model`` runs
        only on the first frame, when a face is new, lost or doubtful, and every ``detect_every``
        frames.
    smoothing : "off", "light" or "strong"
        Unless it is "off", eyelids are also scaled to the person's own range, learned from their
        blinks, so that 1 is a shut eye (`edgeface.lids`).
    detect_every : the number of frames between two detections while crops are followed
    max_crops : the largest number of faces that are followed by crops
        With more faces, ``model`` finds all of them in every frame, at a cost that does not grow.
    score_threshold : the least score of a new face; by default the one in the model's file
    personal : a personal model (see `edgeface.personalise`), to be moved by every face
        Its surface is in ``Faces.personal_vertices``. In a video of its own person it is that
        person's face; in others it is that person's face with somebody else's motion.
    detail : how many passes a search makes, as in `edgeface.load`; by default "fast", so that every
        search costs the same

    Raises
    ------
    InvalidInputError
        If a network is of the wrong kind, the two have different face models, or a number is out of
        range.

    Notes
    -----
    Crops are followed as in Chaudhuri et al. 2019, Sec. 4: the next box is drawn around the dense
    mesh of this frame.

    Examples
    --------
    >>> import edgeface
    >>> tracker = edgeface.Tracker(edgeface.load("mfn"), smoothing="off")
    >>> photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    >>> first, second = tracker.update(photo), tracker.update(photo)
    >>> first.track_ids.tolist() == second.track_ids.tolist()
    True
    """

    def __init__(
        self,
        model: Model,
        *,
        crop_model: Model | None = None,
        smoothing: Strength = "light",
        detect_every: int = 15,
        max_crops: int = 6,
        score_threshold: float | None = None,
        personal: PersonalModel | None = None,
        detail: Detail = "fast",
    ) -> None:
        settings_of(smoothing)
        _check_networks(model, crop_model)
        if personal is not None:
            check_mesh(personal, model.face_model)
        self.personal = personal
        self._model, self._crop_model = model, crop_model
        self._smoothing: Strength = smoothing
        self._detect_every = option("detect_every", detect_every, Whole(1, 10**6))
        self._max_crops = option("max_crops", max_crops, Whole(1, 10**6))
        birth = model.metadata.score_threshold if score_threshold is None else score_threshold
        self._detail: Detail = checked_detail(detail)
        self._birth_score = option("score_threshold", birth, Number(0, 1))
        self.reset()

    @property
    def seen_shapes(self) -> frozenset[str]:
        """The ARKit shapes that at least one of the networks estimates."""
        models = (self._model, self._crop_model)
        return frozenset[str]().union(*(m.metadata.seen_shapes for m in models if m is not None))

    def reset(self) -> None:
        """Forget all faces, to start another video; track ids begin at 1 again."""
        self._tracks: list[Track] = []
        self._next_id = 1
        self._time_s: float | None = None
        self._given_s = -MAX_TIME_S
        self._shape: tuple[int, int] | None = None
        self._since_detection, self._detected_s = 0, 0.0

    def update(
        self, image: ImageLike, time_s: float | None = None, *, color: Color = "rgb"
    ) -> Faces:
        """Find the faces of the next frame.

        Parameters
        ----------
        image : anything that `edgeface.read_image` takes; its size may change during a video
        time_s : the time of the frame in the video, s; by default 1/30 s after the last frame
        color : "rgb" or "bgr", the order of an array's channels; OpenCV reads frames in BGR

        Returns
        -------
        Faces
            The faces seen in this frame or at most `COAST_S` (0.11 s) before, with ``track_ids``
            and ``velocities``, oldest track first. Identity coefficients are the mean over the
            track, and the landmarks are computed from them.

        Raises
        ------
        InvalidInputError
            If the image cannot be read, or its time is before the last frame's.
        InferenceError
            If a backend fails.
        """
        pixels = read_image(image, color=color)
        now = self._clock(time_s)
        self._follow_resolution((pixels.shape[0], pixels.shape[1]))
        active = [t for t in self._tracks if t.seen_s == self._time_s]
        first = self._time_s is None
        tracks, faces = self._see(pixels, now, now - (self._time_s or 0.0), active)
        self._time_s = now  # nor is a track kept before, so that a network may fail in a frame
        for row, track in enumerate(tracks):
            face = faces.select(np.array([row]))
            if track.num_seen and not track.is_like(face)[0]:
                if track.num_missed:
                    continue  # neither network sees this person here
                track.num_missed = 1  # so that the next frame is searched
            track.see(face, now)
            if track.num_seen == 1:
                self._tracks.append(track)
            if track.track_id == 0 and (first or track.num_seen >= NUM_TO_CONFIRM):
                track.track_id, self._next_id = self._next_id, self._next_id + 1
        self._forget(now)
        return self._report(now, faces)

    def _see(
        self, pixels: ImageArray, now: float, frame_s: float, active: list[Track]
    ) -> tuple[list[Track], Faces]:
        """Find the tracks of this frame and their faces, by crops alone if they are enough."""
        if self._crop_model is not None and not self._must_detect(active, now, frame_s):
            self._since_detection += 1
            faces, looks = self._look(pixels, self._expected(active, None, now))
            if all(
                track.looks_like(look) and track.moved(faces, row) < MOVED
                for row, (track, look) in enumerate(zip(active, looks, strict=True))
            ):
                _remember(active, looks)
                return active, faces
        tracks, detected = self._detect(pixels, now, frame_s)
        self._since_detection, self._detected_s = 0, now
        if self._crop_model is None:
            return tracks, detected
        doubted = [
            t for t in active if t not in tracks and t.track_id and t.num_missed <= MAX_DOUBTS
        ]
        everyone = tracks + doubted
        if len(everyone) > self._max_crops or not everyone:
            return tracks, detected
        faces, looks = self._look(pixels, self._expected(everyone, detected, now))
        # whom only the crop still sees must look like themselves; it has no score of its own
        sure = [row for row, t in enumerate(everyone) if t in tracks or t.looks_like(looks[row])]
        everyone = [everyone[row] for row in sure]
        _remember(everyone, looks[sure])
        return everyone, faces.select(np.array(sure, int))

    def _look(self, pixels: ImageArray, expected: Faces) -> tuple[Faces, FloatArray]:
        """Look at crops where faces should be; returns the faces and their looks."""
        assert self._crop_model is not None
        faces = self._crop_model.refine(pixels, expected)
        looks = appearance(pixels, faces.landmarks_2d)
        return rebox(faces, boxes_around(faces.face_points(self._model.face_model))), looks

    def _clock(self, time_s: float | None) -> float:
        last = self._time_s
        if time_s is None:
            time_s = 0.0 if last is None else last + 1 / DEFAULT_FPS
        time_s = option("time_s", time_s, Number(-MAX_TIME_S, MAX_TIME_S))
        if time_s < self._given_s:
            raise InvalidInputError(
                f"a frame's time must not lie before the last one's, {self._given_s}; got "
                f"{time_s}. For another video call reset()"
            )
        self._given_s = time_s
        # clocks tick slower than some cameras: frames of one time are a little apart
        return time_s if last is None else max(time_s, last + 1e-6)

    def _follow_resolution(self, shape: tuple[int, int]) -> None:
        if self._shape is not None and shape != self._shape:
            factor = np.array([shape[1] / self._shape[1], shape[0] / self._shape[0]])
            for track in self._tracks:
                track.rescale(factor)
        self._shape = shape

    def _must_detect(self, active: list[Track], now: float, frame_s: float) -> bool:
        """Whether crops alone are not enough: nobody, a loss, a doubt, or too long a time."""
        return (
            frame_s > SPARSE_S
            or now - self._detected_s >= DETECT_EVERY_S
            or len(active) < len(self._tracks)
            or not 0 < len(active) <= self._max_crops
            or any(t.num_missed or t.track_id == 0 for t in active)
            or self._since_detection + 1 >= self._detect_every
        )

    def _detect(self, pixels: ImageArray, now: float, frame_s: float) -> tuple[list[Track], Faces]:
        """Detect faces and assign them to tracks, also to new ones."""
        threshold = self._birth_score * KEEP_RATIO
        faces = self._model.run(
            pixels, score_threshold=threshold, look_again=False, detail=self._detail
        )
        faces = faces.select(np.array(without_doubles(faces.boxes_xyxy), int))
        strong = faces.scores >= self._birth_score
        owner_of = match(self._tracks, faces, strong, now, frame_s)
        for track in self._tracks:
            track.num_missed += 1
        born = np.array([r for r in np.flatnonzero(strong) if r not in owner_of], int)
        for row in born[self._model.hold_up(pixels, faces.select(born))].tolist():
            owner_of[row] = Track(self._model.face_model.reduced, self._smoothing)
        for track in owner_of.values():
            track.num_missed = 0
        rows = sorted(owner_of)
        return [owner_of[row] for row in rows], faces.select(np.array(rows, int))

    def _expected(self, everyone: list[Track], detected: Faces | None, now: float) -> Faces:
        """The faces of the tracks where they should be; those at the front have detections."""
        num_detected = 0 if detected is None else len(detected)
        known = [t.face for t in everyone[num_detected:]]
        parts = known if detected is None else [detected, *known]
        faces = concatenate(parts, parts[0])
        boxes = [self._next_box(t, now) if t.num_seen else None for t in everyone]
        for row, found in enumerate(faces.boxes_xyxy[:num_detected]):
            box = boxes[row]
            if box is None or iou_matrix(box[None], found[None])[0, 0] < DRIFT_IOU:
                boxes[row] = found
        for track, box in zip(everyone, boxes, strict=True):
            track.crop_box = box
        return replace(faces, boxes_xyxy=np.array(boxes, np.float32))

    def _next_box(self, track: Track, now: float) -> FloatArray:
        """The box to look at for a face: the last one, unless the face has moved."""
        expected = track.face.boxes_xyxy[0] + np.tile(track.shift_at(now), 2)
        last = track.crop_box
        if last is not None and iou_matrix(expected[None], last[None])[0, 0] > HOLD_IOU:
            return last
        return expected

    def _forget(self, now: float) -> None:
        """End tracks that were long unseen, never confirmed, or are on another's face."""
        current = sorted((t for t in self._tracks if t.seen_s == now), key=lambda t: -t.num_seen)
        boxes = np.array([t.face.boxes_xyxy[0] for t in current]).reshape(-1, 4)
        kept = [current[row] for row in without_doubles(boxes)]
        self._tracks = kept + [
            t for t in self._tracks if t.seen_s < now <= t.seen_s + REMEMBER_S and t.track_id
        ]

    def _report(self, now: float, template: Faces) -> Faces:
        shown = [t for t in self._tracks if now - t.seen_s <= COAST_S and t.track_id]
        shown.sort(key=lambda t: t.track_id)
        faces = concatenate([t.at(now) for t in shown], template.select(np.zeros(0, int)))
        if self.personal is not None:
            placed = place_person(self.personal, faces, self._model.face_model)
            faces = replace(faces, personal_vertices=placed)
        return replace(
            faces,
            track_ids=np.array([t.track_id for t in shown], np.int64),
            velocities=np.array([t.velocity for t in shown], np.float32).reshape(-1, 2),
        )


def _remember(tracks: list[Track], looks: FloatArray) -> None:
    for track, look in zip(tracks, looks, strict=True):
        track.remember_look(look)


def _check_networks(model: Model, crop_model: Model | None) -> None:
    networks = (
        {"model": model} if crop_model is None else {"model": model, "crop_model": crop_model}
    )
    for name, network in networks.items():
        if not isinstance(getattr(network, "metadata", None), Metadata):
            raise InvalidInputError(
                f"{name} must be a loaded model, edgeface.load(...), got {shown(network)}"
            )
    if not model.metadata.detects:
        raise InvalidInputError(
            f"expected an mfn or another network that detects, got an {model.metadata.kind}"
        )
    if crop_model is not None:
        check_refiner(model, crop_model, "crop_model")
