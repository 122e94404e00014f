"""How steady and how quick a take is, beside MediaPipe's FaceLandmarker in video mode.

    pip install mediapipe matplotlib
    python -m benchmarks.peers.takes --data DIR [--plot FILE]

Jitter: a frame of the talking head under 3 % grey-level noise, 90 times; the root mean square of
what points of the inner face and expressions do, in % of the eye distance and of full shapes. Lag:
the same frame moved to and fro, 1 Hz; how far points come after it, in frames of 1/30 s. Peaks:
eyeBlink where both eyes are shut by hand-made marks (`tests/retarget/blinks.json`).

Smoothing trades jitter for lag, so one row is of the light smoothing with all cutoffs raised by the
factor at which it lags as much as MediaPipe does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

import edgeface
from edgeface.video import open_video
from edgeface.video.smoothing import STRENGTHS, Settings

RATE, NUM_STILL, NUM_MOVING, SWAY_PX = 30, 90, 90, 12
INNER_68, INNER_478 = slice(17, 68), [33, 133, 362, 263, 1, 61, 291, 13, 14, 70, 300, 105, 334]
AS_LATE, MOST_RAISED, BISECTIONS = "as late", 30.0, 8
MARKS = Path(__file__).parents[2] / "tests" / "retarget" / "blinks.json"
Seen = tuple[np.ndarray, np.ndarray, dict[str, float]]  # points, the eyes' centres, shapes
Track = Callable[[Iterable[tuple[np.ndarray, float]]], Iterator[Seen]]


def track_edgeface(smoothing: str) -> Track:
    """Our tracker in its default mode."""

    def track(frames: Iterable[tuple[np.ndarray, float]]) -> Iterator[Seen]:
        tracker = edgeface.Tracker(
            edgeface.load("mfn"), crop_model=edgeface.load("sfn"), smoothing=smoothing
        )
        for image, time_s in frames:
            (face, *_) = tracker.update(image, time_s)
            points = face.landmarks_2d
            eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
            yield points[INNER_68], eyes, face.blendshapes

    return track


def track_mediapipe(task: Path) -> Track:
    """MediaPipe in video mode."""

    def track(frames: Iterable[tuple[np.ndarray, float]]) -> Iterator[Seen]:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(task)),
            running_mode=vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
        )
        with vision.FaceLandmarker.create_from_options(options) as landmarker:
            for image, time_s in frames:
                picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
                found = landmarker.detect_for_video(picture, round(1000 * time_s))
                scale = [image.shape[1], image.shape[0]]
                points = np.array([(p.x, p.y) for p in found.face_landmarks[0]]) * scale
                eyes = np.stack([points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0)])
                shapes = {c.category_name: c.score for c in found.face_blendshapes[0]}
                yield points[INNER_478], eyes, shapes

    return track


def still(image: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """The frame under noise that is new each time."""
    random = np.random.default_rng(0)
    for k in range(NUM_STILL):
        noisy = image + random.normal(0, 0.03 * 255, image.shape)
        yield noisy.clip(0, 255).astype(np.uint8), k / RATE


def sway() -> np.ndarray:
    """How far the moving frame lies to the side, whole pixels, shape (T,)."""
    times = np.arange(NUM_MOVING) / RATE
    return np.round(SWAY_PX * np.sin(2 * np.pi * times)).astype(int)


def moving(image: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """The frame moved to and fro."""
    for k, shift in enumerate(sway()):
        yield np.ascontiguousarray(np.roll(image, shift, axis=1)), k / RATE


def jitter(seen: list[Seen]) -> tuple[float, float]:
    """Of points in % of the eye distance, and of expressions in % of full shapes."""
    rows = seen[len(seen) // 3 :]  # once filters have settled
    points, eyes = np.stack([s[0] for s in rows]), np.stack([s[1] for s in rows])
    distance = np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1).mean()
    names = [n for n in rows[0][2] if n != "_neutral"]
    shapes = np.array([[s[2][n] for n in names] for s in rows])
    spread = np.sqrt(points.var(axis=0).sum(axis=-1).mean())
    return 100 * spread / distance, 100 * np.sqrt(shapes.var(axis=0).mean())


def lag(seen: list[Seen]) -> float:
    """Frames by which the points come after the picture: the phase of the sway, seen from it."""
    first = NUM_MOVING // 3
    across = np.array([s[0][:, 0].mean() for s in seen])[first:]
    wave = np.exp(-2j * np.pi * np.arange(first, NUM_MOVING) / RATE)
    phase = np.angle((across - across.mean()) @ wave) - np.angle(sway()[first:] @ wave)
    return float(-(phase + np.pi) % (2 * np.pi) - np.pi) * RATE / (2 * np.pi)


def raised(factor: float) -> Settings:
    """The light smoothing with all its cutoffs raised."""
    light = STRENGTHS["light"]
    groups = {f.name: getattr(light, f.name) for f in fields(light)}
    return Settings(
        **{n: replace(g, min_cutoff_hz=g.min_cutoff_hz * factor) for n, g in groups.items()}
    )


def set_as_late(image: np.ndarray, frames: float) -> None:
    """Make `AS_LATE` a smoothing whose points lag so many frames, by bisection."""
    low, high = 1.0, MOST_RAISED
    for _ in range(BISECTIONS):
        middle = (low * high) ** 0.5
        STRENGTHS[AS_LATE] = raised(middle)
        late = lag(list(track_edgeface(AS_LATE)(moving(image))))
        low, high = (middle, high) if late > frames else (low, middle)


def main() -> None:
    """Print a table, and draw the curves of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    clip = arguments.data / "video" / "talking-head.mp4"
    with open_video(clip) as video:
        frames = [(f.image, f.time_s) for f in video if f.index < 480]
    marks = [m for m in json.loads(MARKS.read_text())["talking-head"]["shut"] if m[1] < 470]
    peer = track_mediapipe(arguments.data / "face_landmarker.task")
    set_as_late(frames[0][0], lag(list(peer(moving(frames[0][0])))))
    candidates = {
        "edgeface, off": track_edgeface("off"),
        "edgeface, light": track_edgeface("light"),
        "edgeface, strong": track_edgeface("strong"),
        "edgeface, as late as MediaPipe": track_edgeface(AS_LATE),
        "MediaPipe, video mode": peer,
    }
    print("| | jitter of points, % | of expressions, % | lag, frames | weakest, mean peak |")
    print("|---|---:|---:|---:|---:|")
    curves: dict[str, np.ndarray] = {}
    for name, track in candidates.items():
        points, shapes = jitter(list(track(still(frames[0][0]))))
        late = lag(list(track(moving(frames[0][0]))))
        blink = np.array([s[2]["eyeBlinkLeft"] for s in track(frames)])
        peaks = [blink[first - 1 : last + 2].max() for first, last in marks]
        curves[name] = blink
        print(f"| {name} | {points:.2f} | {shapes:.2f} | {late:.2f} "
              f"| {min(peaks):.2f}, {np.mean(peaks):.2f} |", flush=True)  # fmt: skip
    if arguments.plot is not None:
        draw(curves, [t for _, t in frames], arguments.plot)


def draw(curves: dict[str, np.ndarray], times: list[float], path: Path) -> None:
    """Curves of the left lid."""
    from matplotlib.figure import Figure

    figure = Figure((10, 3), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(times, values, label=name, linewidth=1)
    axes.set(xlabel="seconds", ylabel="eyeBlinkLeft", xlim=(0, times[-1]), ylim=(0, 1))
    figure.legend(loc="outside upper center", ncols=len(curves))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
