"""A corpus by Ray, killed and resumed: is every photo there once, and how fast is it?

    python -m benchmarks.studies.corpus --photos 10000 --workers 2 --kills 3

makes so many pictures of the demo photo, runs ``edgeface run --engine ray`` over them, kills it
with SIGKILL at random moments and starts it again until it is through, and compares the names in
the files with those of the pictures. Then they are run by one plain process on one thread and by
Ray, for the rates. ``docs/how-to/corpora.md`` has the figures.

Time all of them: of a thousand, each process spends the first 200 on numpy's kernels, loads numba,
and idles for up to a chunk at the end, which two processes do twice.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet
from PIL import Image

import edgeface
from edgeface.corpora import run_corpus

SIZE = (640, 480)


def main() -> None:
    """Make, kill, resume, compare, time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--timed", type=int, help="photos that are timed (default: all)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos, target = Path(folder, "photos"), Path(folder, "faces")
        make_photos(photos, arguments.photos)
        kills = killed_and_resumed(photos, target, arguments.workers, arguments.kills)
        counts = photos_in(target)
        lost = arguments.photos - len(counts)
        doubled = sum(count > 1 for count in counts.values())
        print(f"{arguments.photos} photos, {kills} kills: {lost} lost, {doubled} doubled")
        timed(photos, Path(folder), arguments.timed or arguments.photos, arguments.workers)


def make_photos(folder: Path, count: int) -> None:
    """Pieces of the demo photo, each another one, in folders of 1,000."""
    rng = np.random.default_rng(20261129)
    with Image.open(edgeface.DEMO_PHOTO) as demo:
        reach = demo.width - SIZE[0], demo.height - SIZE[1]
        for number in range(count):
            x, y = (int(rng.integers(0, most)) for most in reach)
            place = folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            demo.crop((x, y, x + SIZE[0], y + SIZE[1])).save(place, quality=90)


def killed_and_resumed(photos: Path, target: Path, workers: int, kills: int) -> int:
    """Run the command until it is through; how often it was killed on the way."""
    command = [sys.executable, "-m", "edgeface", "run", str(photos), "--engine", "ray",
               "--workers", str(workers), "--save", str(target), "--refine", "none"]  # fmt: skip
    moments, done = random.Random(20261129), 0
    while True:
        process = subprocess.Popen(command, start_new_session=True)
        if done < kills:
            before = len(list(target.glob("*.parquet")))
            while process.poll() is None and len(list(target.glob("*.parquet"))) < before + 3:
                time.sleep(0.2)
            time.sleep(moments.random() * 3)
            if process.poll() is None:
                # the whole session: the command, and Ray's processes that it started
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                done += 1
                continue
        if process.wait() == 0:
            return done


def photos_in(target: Path) -> Counter[str]:
    """How many files each photo is in."""
    counts: Counter[str] = Counter()
    for part in target.glob("*.parquet"):
        names = pyarrow.parquet.read_table(part, columns=["image"])["image"]
        counts.update(set(names.to_pylist()))
    return counts


def timed(photos: Path, folder: Path, count: int, workers: int) -> None:
    """Print the rates of one plain process and of Ray, from the first part to the last one."""
    some = folder / "some"
    for photo in sorted(photos.rglob("*.jpg"))[:count]:
        place = some / photo.relative_to(photos)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(photo, place)
    model = edgeface.load("mfn", num_threads=1)
    rates: dict[str, float] = {}
    for engine in ("plain", "ray"):
        moments: list[tuple[float, float, int]] = []
        started = time.perf_counter()
        run_corpus(
            some, folder / engine, model, engine=engine, workers=workers,
            progress=lambda s, _, m=moments: m.append(
                (time.perf_counter(), time.process_time(), s.num_images)
            ),
        )  # fmt: skip
        whole = time.perf_counter() - started
        seconds, used, images = np.subtract(moments[-1], moments[0])
        rates[engine] = images / seconds
        start = whole - count / rates[engine]
        print(f"{engine}: {rates[engine]:.1f} photos a second, and {start:.0f} s to start")
        if engine == "plain":
            print(f"plain keeps {used / seconds:.2f} cores busy: it reads files beside the network")
    print(f"ray over plain: {rates['ray'] / rates['plain']:.2f}")


if __name__ == "__main__":
    main()
