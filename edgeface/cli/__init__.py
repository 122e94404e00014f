"""The ``edgeface`` command line; one file a command."""

from __future__ import annotations

import argparse
import os
import sys

from edgeface import __version__
from edgeface.cli import bench, convert, demo, info, run, track, verify, warmup
from edgeface.cli.options import INTERRUPTED
from edgeface.errors import EdgeFaceError
from edgeface.output import ended_by_signals


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 after an error of the project's own."""
    parser = argparse.ArgumentParser(prog="edgeface", description="Every face by one network pass.")
    parser.add_argument("--version", action="version", version=f"edgeface {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, track, demo, info, verify, convert, bench, warmup):
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        with ended_by_signals():
            return arguments.execute(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except EdgeFaceError as error:
        print(f"edgeface: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads the output, head for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
