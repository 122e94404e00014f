"""``edgeface completion``: what makes a shell complete commands, options and files."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from edgeface.errors import BackendUnavailableError
from edgeface.terminal import named_path

SHELLS = {
    "bash": "edgeface completion bash > ~/.local/share/bash-completion/completions/edgeface",
    "zsh": "edgeface completion zsh > ~/.zfunc/_edgeface, with ~/.zfunc in $fpath",
    "fish": "edgeface completion fish > ~/.config/fish/completions/edgeface.fish",
}
FILE_NAMES = {
    "images", "source", "model", "models", "a", "b", "checkpoint", "crop_model", "refine", "save",
    "record", "calibrate", "personal",
}  # fmt: skip
"""Arguments that may name a file though they are text."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the shell."""
    parser.add_argument("shell", choices=tuple(SHELLS), help="the shell that shall complete")
    parser.epilog = "Once: " + "; ".join(SHELLS.values()) + "."


def execute(arguments: argparse.Namespace) -> int:
    """Print the script; returns the exit status."""
    from edgeface.cli import COMMANDS, make_parser

    try:
        shtab: Any = importlib.import_module("shtab")
    except ImportError as error:
        raise BackendUnavailableError(
            "completion needs shtab: pip install 'edgeface[completion]'"
        ) from error
    parser = make_parser(COMMANDS)
    _complete_files(parser, shtab.FILE)
    print(shtab.complete(parser, shell=arguments.shell))
    return 0


def _complete_files(parser: Any, files: Any) -> None:
    """Mark the arguments of all commands that name files, as shtab wants it."""
    for action in parser._actions:
        if action.nargs == argparse.PARSER:
            for command in action.choices.values():
                _complete_files(command, files)
        elif action.choices is not None:
            action.choices = list(action.choices)  # a dictionary would be taken for commands
        elif action.type is named_path or action.dest in FILE_NAMES:
            action.complete = files
