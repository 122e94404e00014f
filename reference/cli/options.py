"""Options that several commands take, each declared once."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from edgeface.terminal import named_path

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]
"""What a parser's ``add_subparsers`` returns, for which argparse has no public name."""


def add_command(commands: Commands, name: str, does: str) -> argparse.ArgumentParser:
    """Declare a command; what it does stands in the list of commands and in its own help."""
    return commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare ``--data``."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="the folder that holds the data packs (default: the environment variable "
        "EDGEFACE_DATA names it)",
    )


def add_checkpoint_to_write(parser: argparse.ArgumentParser) -> None:
    """Declare ``--out`` of what writes a checkpoint."""
    parser.add_argument(
        "--out", type=named_path, required=True, metavar="CKPT", help="the checkpoint to write"
    )


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    """Declare ``checkpoint`` and ``--out`` of what makes one checkpoint of another."""
    parser.add_argument("checkpoint", type=named_path, help="the checkpoint to read")
    add_checkpoint_to_write(parser)


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Declare ``--data``, ``--out`` and ``--workers``, which everything that trains takes."""
    add_data(parser)
    parser.add_argument(
        "--out",
        type=named_path,
        required=True,
        metavar="DIR",
        help="the folder that checkpoints and logs are written to; a training that is "
        "already there is resumed",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="how many processes plan batches while the network learns (default: 0, which means "
        "that the process that learns plans them itself)",
    )


def add_start(parser: argparse.ArgumentParser, carried: str) -> None:
    """Declare ``--from`` and ``--minutes``; ``carried`` goes on with what the former does."""
    parser.add_argument(
        "--from",
        dest="start",
        type=named_path,
        metavar="CKPT",
        help=f"a checkpoint: a new training begins with its weights{carried}",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="train for so many minutes instead of epochs; the learning rate follows the clock",
    )


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Declare ``--out`` of commands that draw one picture."""
    parser.add_argument(
        "--out", type=named_path, required=True, metavar="PNG", help="the picture to write"
    )
