"""What the site makes by itself: the pages of the command lines, and the names of the API."""

from __future__ import annotations

import argparse
import importlib
import os
import re
from typing import Any

os.environ["COLUMNS"] = "88"
MARK = re.compile(r"^<!-- (commands|names) ([\w.-]+) -->$", re.MULTILINE)

FIRST = ("load", "Model", "Faces", "Face", "Tracker", "find_faces", "convert")
"""Names that a page begins with; constants come last."""

MEMBERS = {
    "Model": ("run", "run_many", "run_batch", "run_async", "refine", "vertices", "clone", "close",
              "hold_up", "infer", "find", "decode"),
    "Tracker": ("update", "reset", "seen_shapes"),
}  # fmt: skip
"""The order in which a class shows its members, where that of the source is not the reader's."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace ``<!-- commands PROGRAM -->`` and ``<!-- names MODULE -->``."""
    makers = {"commands": _commands, "names": _names}
    return MARK.sub(lambda mark: makers[mark[1]](mark[2]), markdown)


def _names(module: str) -> str:
    """A directive of mkdocstrings for every public name of a module."""
    names = [n for n in importlib.import_module(module).__all__ if not n.startswith("__")]
    names.sort(key=lambda n: (n not in FIRST, FIRST.index(n) if n in FIRST else 0, n.isupper()))
    return "\n\n".join(_directive(module, name) for name in names)


def _directive(module: str, name: str) -> str:
    members = ", ".join(MEMBERS.get(name, ()))
    options = f"\n    options:\n      members: [{members}]" if members else ""
    return f"::: {module}.{name}{options}"


def _commands(program: str) -> str:
    """The help of every command of a program."""
    parser = {"edgeface": _edgeface, "edgeface-train": _edgeface_train}[program]()
    return "\n\n".join(
        f"### {command.prog}\n\n```text\n{command.format_help().strip()}\n```"
        for command in _leaves(parser)
    )


def _edgeface() -> argparse.ArgumentParser:
    from edgeface.cli import COMMANDS

    parser = argparse.ArgumentParser(prog="edgeface")
    commands = parser.add_subparsers()
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, description=f"{does[0].upper()}{does[1:]}.")
        importlib.import_module(f"edgeface.cli.{name}").add_arguments(command)
    return parser


def _edgeface_train() -> argparse.ArgumentParser:
    from edgeface.reference.cli import COMMANDS

    parser = argparse.ArgumentParser(prog="edgeface-train")
    commands = parser.add_subparsers()
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def _leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers below which there are no more."""
    below: list[argparse.ArgumentParser] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below += [leaf for child in action.choices.values() for leaf in _leaves(child)]
    return below or [parser]
