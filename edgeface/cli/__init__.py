"""The ``edgeface`` command line; one file a command.

A command's module declares its arguments by ``add_arguments(parser)`` and is run by
``execute(arguments)``, which returns the exit status. Only the command that was asked for is
imported, so that ``edgeface run`` does not wait for what video needs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

from edgeface import __version__
from edgeface.terminal import run_command

COMMANDS = {
    "run": "find the faces of images",
    "track": "follow the faces of a video or camera",
    "calibrate": "learn what a person's face reads at rest and how far it goes",
    "demo": "show the camera and the head it drives, live in the browser",
    "personalise": "make a person's own face model from their clip or photos",
    "info": "show what a model file says of itself, or which backends are installed",
    "verify": "compare two model files; the exit status is 1 if B is over its limits",
    "export": "write a network that ships as a file for another device; takes no PyTorch",
    "convert": "turn a training checkpoint into model files, each of them verified",
    "bench": "measure speed, start and memory on this device or on a phone",
    "warmup": "compile the numba kernels and keep them for later processes",
}
"""The commands, each a module of this package, and what they do."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 after an error of the project's own."""
    return run_command("edgeface", lambda: _execute(sys.argv[1:] if argv is None else argv))


def _execute(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="edgeface", description="Every face by one network pass.")
    parser.add_argument("--version", action="version", version=f"edgeface {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        if name == chosen:
            module: Any = importlib.import_module(f"edgeface.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(execute=module.execute)
    arguments = parser.parse_args(given)
    return arguments.execute(arguments)
