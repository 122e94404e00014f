"""``edgeface bench choose``: which file of a network is the fastest on this device."""

from __future__ import annotations

import argparse

from edgeface.cli.options import add_thread_counts
from edgeface.shipped import BUNDLED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare network and threads."""
    parser.add_argument(
        "network",
        nargs="?",
        default="mfn",
        choices=BUNDLED,
        help=f"one of {', '.join(BUNDLED)} (default: mfn)",
    )
    add_thread_counts(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Print every file's time and how to get the fastest; returns the exit status."""
    from edgeface.bench.choose import choose
    from edgeface.bench.tables import as_text

    found = choose(arguments.network, arguments.threads)
    table = [["file", "threads", "ms", "quartiles", "of the fastest"]]
    for one in found:
        low, median, high = one.quartiles_ms
        ratio = median / found[0].quartiles_ms[1]
        spread = f"{low:.2f} to {high:.2f}"
        table.append([one.file.name, str(one.threads), f"{median:.2f}", spread, f"{ratio:.2f}"])
    print(as_text(table))
    print(f"\nthe fastest: {found[0].line}")
    return 0
