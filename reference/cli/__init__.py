"""The ``edgeface-train`` command line; one file a command."""

from __future__ import annotations

import argparse
import os
import sys

from edgeface.errors import EdgeFaceError
from edgeface.output import ended_by_signals
from edgeface.reference.cli import (
    anchors,
    conventions,
    cost,
    database,
    evaluate,
    face_model,
    plot,
    strip,
    study,
    train,
)

INTERRUPTED = 130
"""Exit status after Ctrl-C, SIGTERM and SIGHUP, as shells have it."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 after an error of the project's own."""
    parser = argparse.ArgumentParser(
        prog="edgeface-train",
        description="Train the networks, measure them, and learn the face model.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        train, evaluate, plot, strip, cost, anchors, study, face_model, conventions, database,
    ):  # fmt: skip
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        with ended_by_signals():
            arguments.execute(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except EdgeFaceError as error:
        print(f"edgeface-train: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "edgeface").startswith("edgeface"):
            raise
        needs = f"this command needs {error.name}: pip install 'edgeface[train]'"
        print(f"edgeface-train: {needs}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads the output, head for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0
