"""The ``edgeface`` command line; one file a command.

A command's module declares its arguments by ``add_arguments(parser)`` and is run by
``execute(arguments)``, which returns the exit status. Only the command that was asked for is
imported, so that ``edgeface run`` does not wait for what video needs.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import shlex
import sys
from collections.abc import Collection
from typing import Any

from edgeface import __version__
from edgeface.terminal import run_command

COMMANDS = {
    "run": "find the faces of images",
    "track": "follow the faces of a video or camera",
    "calibrate": "measure a person's expressions at rest and their range",
    "demo": "show the camera and the head it drives, live in the browser",
    "personalise": "make a person's own face model from their clip or photos",
    "info": "show the metadata of a model file, or which backends are installed",
    "verify": "compare two model files; the exit status is 1 if B is over its limits",
    "export": "write a network that ships as a file for another device, without PyTorch",
    "convert": "turn a training checkpoint into model files, each of them verified",
    "bench": "measure speed, start and memory on this device or on a phone",
    "doctor": "say what is installed, what is missing, and what is slow here and why",
    "warmup": "compile the numba kernels and keep them for later processes",
    "completion": "print a script that lets a shell complete these commands",
}
"""The commands, each a module of this package, and what they do."""

GREETING = f"""\
edgeface {__version__}: every face of a photo or frame by one network pass

  edgeface run demo --out out         five faces in a photo that ships, drawn to out/
  edgeface run photo.jpg --out out    those in yours; folders and patterns, too
  edgeface demo                       your camera, live in the browser; demo demo needs none
  edgeface track clip.mp4 --out t.mp4 those in a video
  edgeface doctor                     what is installed, what is missing, what is slow here
  edgeface --help                     all commands; edgeface COMMAND --help explains one
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 after an error of the project's own."""
    return run_command("edgeface", lambda: _execute(sys.argv[1:] if argv is None else argv))


def _execute(given: list[str]) -> int:
    if not given:
        print(GREETING, end="")
        return 0
    chosen = next((word for word in given if not word.startswith("-")), "")
    parser = make_parser({chosen})
    if given[0] == chosen and chosen not in COMMANDS:
        parser.error(_unknown(chosen))
    arguments = parser.parse_args(given)
    return arguments.execute(arguments)


def _unknown(word: str) -> str:
    """What to say of a first word that is no command: the command that it may be meant for."""
    if os.path.exists(word):
        return f"no command {word!r}; to find the faces of a file: edgeface run {shlex.quote(word)}"
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    if near:
        return f"no command {word!r}; did you mean {near[0]}? edgeface --help shows all commands"
    return f"no command {word!r}; there are {', '.join(COMMANDS)}"


def make_parser(complete: Collection[str]) -> argparse.ArgumentParser:
    """The command line's parser; only the commands in ``complete`` know their arguments."""
    parser = _Parser(
        prog="edgeface", description="Find every face of an image in one network pass."
    )
    parser.add_argument(
        "--version", action=_Version, help="show the version and those of backends and kernels"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        if name in complete:
            module: Any = importlib.import_module(f"edgeface.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(execute=module.execute)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that does not keep to itself that its help cannot be written."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)


class _Version(argparse.Action):
    """Prints versions and ends the program."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from edgeface.cli.info import version_lines

        print(f"edgeface {__version__}", *version_lines(), sep="\n")
        parser.exit()
