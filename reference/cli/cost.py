"""``edgeface-train cost``: the sizes of the networks and their cost."""

from __future__ import annotations

import argparse

from edgeface.reference.cli.options import Commands, add_command


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "cost", "print how many parameters and multiply-adds each network has"
    )
    parser.set_defaults(execute=_execute)


def _execute(_: argparse.Namespace) -> None:
    from edgeface.reference.networks import CONFIGS
    from edgeface.reference.networks.cost import count

    print(f"{'network':<12}{'input':>7}{'parameters':>13}{'MB fp32':>9}{'multiply-adds':>17}")
    for name, config in CONFIGS.items():
        parameters, products = count(config)
        print(
            f"{name:<12}{config.input_size:>7}{parameters:>13,}{parameters * 4e-6:>9.2f}"
            f"{products:>17,}"
        )
