"""``edgeface bench``: measure this device or a phone, and compare two records."""

from __future__ import annotations

import argparse
from typing import Any

from edgeface.cli.bench import choose, compare, phone, run

COMMANDS: dict[str, tuple[Any, str]] = {
    "run": (run, "measure speed, start and memory on this device"),
    "choose": (choose, "tell which file of a network is the fastest on this device"),
    "phone": (phone, "measure .tflite files on the phone that adb reaches"),
    "compare": (compare, "compare two records; the exit status is 1 if B is worse anywhere"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-commands."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, does) in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        module.add_arguments(command)
        command.set_defaults(measure=module.execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the sub-command; returns the exit status."""
    return arguments.measure(arguments)
