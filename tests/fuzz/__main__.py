"""``python -m tests.fuzz --mutants 100000``: as many mutants as asked for, and a table.

A mutant follows from the seed and its number alone: ``--only onnx --first 1234 --mutants 1`` makes
one again.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.targets import TARGETS
from tests.fuzz.trial import COLUMNS, fuzz


def main():
    """Try them all, print the table; the exit status is 1 where one was none of ours."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=100_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant of a kind")
    parser.add_argument("--only", choices=TARGETS, action="append", help="these kinds")
    arguments = parser.parse_args()
    names = arguments.only or list(TARGETS)
    print("| kind | mutants | " + " | ".join(COLUMNS) + " | seconds |")
    print("|---|" + "---:|" * (len(COLUMNS) + 2))
    bad = 0
    for name in names:
        start, count = time.perf_counter(), -(-arguments.mutants // len(names))
        counts = fuzz(
            name, arguments.seed, arguments.first, count, lambda text: print(text, file=sys.stderr)
        )
        row = [f"{counts[column]:,}" for column in COLUMNS]
        seconds = time.perf_counter() - start
        print(f"| {name} | {count:,} | " + " | ".join(row) + f" | {seconds:,.0f} |", flush=True)
        bad += sum(counts[column] for column in ("foreign", "crash", "hang"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
