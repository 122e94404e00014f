"""The whole `edgeface track` beside MediaPipe's FaceLandmarker in video mode, in one run.

    pip install mediapipe
    python -m benchmarks.peers.video --data DIR

Every run is a process of its own, bound to one processor core; both read through PyAV and see
every frame. Runs of the candidates alternate. The cost is processor time, start-up taken off by a
run over the first frames, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CLIPS = ("talking-head.mp4", "street-several-faces.mp4")
WARM_UP, ROUNDS = 5, 3


def mediapipe_worker(clip: Path, task: Path, num_faces: int, limit: int) -> None:
    """MediaPipe over a clip; prints frames and faces."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    from edgeface.video import open_video

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(task)),
        running_mode=vision.RunningMode.VIDEO,
        num_faces=num_faces,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    frames = faces = 0
    with (
        vision.FaceLandmarker.create_from_options(options) as landmarker,
        open_video(clip) as video,
    ):
        for frame in video:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame.image)
            found = landmarker.detect_for_video(image, round(1000 * frame.time_s))
            frames, faces = frames + 1, faces + len(found.face_landmarks)
            if frames == limit:
                break
    report(frames, faces)


def edgeface_worker(clip: Path, mode: str, limit: int) -> None:
    """`edgeface track --record` over a clip, as its command does it; prints frames and faces."""
    from edgeface.cli import main
    from edgeface.recording import read_recording
    from edgeface.video import reader

    whole = reader.VideoReader.__iter__

    def first(self: reader.VideoReader):  # the same command on the clip's beginning
        for frame in whole(self):
            if frame.index == limit:
                return
            yield frame

    if limit:
        reader.VideoReader.__iter__ = first
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "take.jsonl"
        command = ["track", str(clip), "--record", str(record), "--threads", "1", "--mode", mode]
        if main(command) != 0:
            raise SystemExit("edgeface track failed")
        take = read_recording(record)
        report(take.num_frames, sum(len(p.frames) for p in take.performances.values()))


def report(frames: int, faces: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"frames": frames, "faces": faces, "cpu": used.ru_utime + used.ru_stime}))


def run(*worker: str, limit: int = 0) -> dict[str, float]:
    """One worker in a process of its own on one core."""
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, __file__, "--worker", *worker, "--limit", str(limit)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print a row for each clip and candidate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--worker", nargs="+")
    parser.add_argument("--limit", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, clip, *rest = arguments.worker
        if kind == "mediapipe":
            mediapipe_worker(Path(clip), Path(rest[0]), int(rest[1]), arguments.limit)
        else:
            edgeface_worker(Path(clip), rest[0], arguments.limit)
        return
    task = arguments.data / "face_landmarker.task"
    for name in CLIPS:
        clip = str(arguments.data / "video" / name)
        candidates = {
            f"edgeface {mode}": ("edgeface", clip, mode) for mode in ("detect", "crops", "auto")
        }
        for most in (1, 8):
            candidates[f"mediapipe num_faces={most}"] = ("mediapipe", clip, str(task), str(most))
        costs: dict[str, list[float]] = {label: [] for label in candidates}
        faces: dict[str, float] = {}
        for _ in range(ROUNDS):
            for label, worker in candidates.items():
                start, whole = run(*worker, limit=WARM_UP), run(*worker)
                frames = whole["frames"] - start["frames"]
                costs[label].append(1000 * (whole["cpu"] - start["cpu"]) / frames)
                faces[label] = whole["faces"] / whole["frames"]
        for label, values in costs.items():
            low, high = np.percentile(values, [25, 75])
            print(
                f"{name}, {label}: {statistics.median(values):.1f} ms a frame ({low:.1f} to "
                f"{high:.1f}), {faces[label]:.2f} faces a frame",
                flush=True,
            )


if __name__ == "__main__":
    main()
