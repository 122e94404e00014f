"""How many of ARKit's 52 shapes move over an expressive clip, with derived shapes and without.

    python -m benchmarks.studies.moving --data DIR

A shape moves if it goes to and fro by more than a share of its full range. Shapes that are absent
are named: they are told by no network, and no rule makes them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.studies.blinks import NO_TURN, track
from edgeface.retarget import ARKIT_NAMES, Retargeter

SHARES = (0.01, 0.05, 0.2)


def main() -> None:
    """Print a row for what is estimated, and one with what is derived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    clip = parser.parse_args().data / "video" / "talking-head.mp4"
    _, tracked = track(clip, "light")
    print("| shapes |", " | ".join(f"over {share:.0%}" for share in SHARES), "| absent |")
    print("|---|", "---:|" * len(SHARES), "---|", sep="")
    for name, derived in (("estimated", False), ("with --derive", True)):
        retargeter = Retargeter(derived=derived)
        frames = [retargeter(seen, NO_TURN)[0] for seen in tracked]
        ranges = {
            shape: max(frame[shape] for frame in frames) - min(frame[shape] for frame in frames)
            for shape in frames[0]
        }
        counts = [sum(value > share for value in ranges.values()) for share in SHARES]
        absent = [shape for shape in ARKIT_NAMES if shape not in ranges]
        print(f"| {name} |", " | ".join(map(str, counts)), "|", ", ".join(absent), "|", flush=True)


if __name__ == "__main__":
    main()
