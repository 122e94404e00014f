"""Options that several commands take."""

from __future__ import annotations

import argparse

INTERRUPTED = 130
"""Exit status after Ctrl-C, SIGTERM and SIGHUP, as shells have it."""


def add_input_size(parser: argparse.ArgumentParser) -> None:
    """Declare ``--input-size``."""
    parser.add_argument(
        "--input-size",
        type=int,
        metavar="PX",
        help="side of the square that an mfn sees, a multiple of 32: smaller is faster (default: "
        "the one that it was trained for)",
    )
