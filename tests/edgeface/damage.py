"""Damages a model file at random and asks what becomes of it.

    python -m tests.edgeface.damage [--each 2000] [--seed 1] FILE...

Every mutant has one bit flipped, one byte changed, a run of bytes zeroed, or its end cut off. It
must be refused by an error of the project, or give the very faces that the undamaged file gives.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

import edgeface
from edgeface.converters.verify import open_written

KINDS = ("bit", "byte", "zeros", "cut")


def damaged(data, kind, random):
    """A copy of some bytes with one damage of a kind."""
    place = int(random.integers(len(data)))
    changed = bytearray(data)
    if kind == "bit":
        changed[place] ^= 1 << int(random.integers(8))
    elif kind == "byte":
        changed[place] = (changed[place] + int(random.integers(1, 256))) % 256
    elif kind == "zeros":
        end = min(len(data), place + int(random.integers(1, 4096)))
        changed[place:end] = bytes(end - place)
    else:
        del changed[place:]
    return bytes(changed)


def seen_by(path, image):
    """What comes out of a file for an image, as bytes and names."""
    model = open_written(path)
    heads = model.infer(image)
    result = [values.tobytes() for _, values in sorted(heads.items())]
    metadata = model.metadata
    deciding = (
        metadata.kind, metadata.stride, metadata.anchors, metadata.score_threshold,
        metadata.iou_threshold, metadata.crop_scale, metadata.expression_names,
        metadata.unseen_expressions,
    )  # fmt: skip
    return result, deciding, model.face_model.sha256


def image_for(path):
    size = open_written(path).metadata.input_size
    return np.random.default_rng(5).integers(0, 256, (1, size, size, 3), np.uint8)


def outcomes(path, count, seed, folder):
    """How many mutants of a file were refused, harmless, silently different, or foreign errors."""
    random = np.random.default_rng(seed)
    image = image_for(path)
    truth = seen_by(path, image)
    parts = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    sizes = np.array([p.stat().st_size for p in parts], float)
    found = Counter()
    for number in range(count):
        part = parts[int(random.choice(len(parts), p=sizes / sizes.sum()))]
        mutant = folder / f"mutant{path.suffix}"
        target = mutant
        if path.is_dir():
            shutil.rmtree(mutant, ignore_errors=True)
            shutil.copytree(path, mutant)
            target = mutant / part.relative_to(path)
        content = damaged(part.read_bytes(), KINDS[number % len(KINDS)], random)
        if content == part.read_bytes():
            continue
        target.write_bytes(content)
        try:
            found["harmless" if seen_by(mutant, image) == truth else "SILENT"] += 1
        except edgeface.EdgeFaceError:
            found["refused"] += 1
        except Exception as error:
            found[f"FOREIGN {type(error).__name__}"] += 1
    return found


def main():
    """Print a row a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--each", type=int, default=2000, help="mutants of each file")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    bad = 0
    print("| file | mutants | refused | harmless | other faces, silently | foreign errors |")
    print("|---|---:|---:|---:|---:|---:|")
    for path in arguments.files:
        with tempfile.TemporaryDirectory() as folder:
            found = outcomes(path, arguments.each, arguments.seed, Path(folder))
        foreign = sum(n for name, n in found.items() if name.startswith("FOREIGN"))
        bad += foreign + found["SILENT"]
        print(
            f"| `{path.name}` | {sum(found.values()):,} | {found['refused']:,} | "
            f"{found['harmless']:,} | {found['SILENT']} | {foreign} |",
            flush=True,
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
