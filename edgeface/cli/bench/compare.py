"""``edgeface bench compare``: two records side by side."""

from __future__ import annotations

import argparse

from edgeface.cli.bench.files import read_record
from edgeface.terminal import named_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two records."""
    parser.add_argument(
        "a", type=named_path, metavar="A.json", help="a record of edgeface bench run"
    )
    parser.add_argument(
        "b", type=named_path, metavar="B.json", help="the record to compare with it"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print every figure of both with a verdict; returns 1 where B is worse."""
    from edgeface.bench.compare import compare
    from edgeface.bench.tables import as_text

    lines = compare(read_record(arguments.a), read_record(arguments.b))
    table = [["figure", "A", "B", "unit", "B / A", "verdict"]]
    for line in lines:
        values = ["-" if v is None else f"{v:.4g}" for v in (line.a, line.b)]
        ratio = "-" if line.ratio is None else f"{line.ratio:.2f}"
        table.append([line.name, *values, line.unit, ratio, line.verdict])
    print(as_text(table))
    return int(any(line.verdict == "worse" for line in lines))
