"""The ``edgeface-train`` command line; one file a command."""

from __future__ import annotations

import argparse

from edgeface.errors import BackendUnavailableError
from edgeface.reference.cli import (
    anchors,
    average,
    blinks,
    conventions,
    cost,
    database,
    evaluate,
    face_model,
    free,
    gaze,
    labels,
    personal,
    plot,
    refit,
    strip,
    study,
    train,
)
from edgeface.terminal import run_command

COMMANDS = (
    train, evaluate, plot, strip, average, refit, gaze, blinks, cost, labels, anchors, study,
    face_model, personal, conventions, database, free,
)  # fmt: skip
"""The modules of the commands, in the order in which help lists them."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 after an error of the project's own."""
    return run_command("edgeface-train", lambda: _execute(argv))


def _execute(argv: list[str] | None) -> int | None:
    parser = argparse.ArgumentParser(
        prog="edgeface-train",
        description="Train the networks, measure them, and learn the face model.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.execute(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "edgeface").startswith("edgeface"):
            raise
        raise BackendUnavailableError(
            f"this command needs {error.name}: pip install 'edgeface[train]'"
        ) from error
