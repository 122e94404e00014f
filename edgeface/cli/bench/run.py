"""``edgeface bench run``: how fast this device runs the models."""

from __future__ import annotations

import argparse
import json
import sys

from edgeface.cli.bench.files import write_text
from edgeface.cli.options import (
    MODEL_NAMES,
    add_images,
    add_thread_counts,
    numbers,
    output_path,
    words,
)
from edgeface.output import check_place, refuse_inputs, refuse_twice
from edgeface.terminal import told_on
from edgeface.values import Number, option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare models, what to vary, and where the record goes."""
    parser.add_argument("models", nargs="*", default=["mfn"], help=f"{MODEL_NAMES} (default: mfn)")
    parser.add_argument(
        "--backend",
        type=words,
        default=[],
        metavar="onnx,..",
        help="the formats in which networks that ship are measured (default: onnx)",
    )
    add_thread_counts(parser)
    parser.add_argument(
        "--faces",
        type=numbers,
        default=[0, 1, 5, 10, 20],
        metavar="0,1,5",
        help="measure with each of these numbers of faces (default: 0,1,5,10,20)",
    )
    parser.add_argument(
        "--kernels",
        type=words,
        default=[],
        metavar="numpy,numba",
        help="measure with each of these kernels (default: all that are installed)",
    )
    add_images(parser)
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="also run each model without a pause for so long (default: 0)",
    )
    parser.add_argument(
        "--json",
        type=output_path,
        metavar="FILE",
        help="write the record to this file; - is standard output, as for --html",
    )
    parser.add_argument(
        "--html", type=output_path, metavar="FILE", help="write the record with plots to this file"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Measure and print the tables; returns the exit status."""
    # measuring needs far more than the other commands, which should not wait for it
    from edgeface.bench import page, tables
    from edgeface.bench.suite import Settings, run_suite

    written = [path for path in (arguments.json, arguments.html) if path is not None]
    told = told_on(written)
    refuse_twice(written)
    for path in written:
        refuse_inputs(path, arguments.models)
        check_place(path)
    settings = Settings(
        models=arguments.models,
        backends=arguments.backend,
        threads=arguments.threads,
        faces=arguments.faces,
        kernels=arguments.kernels,
        images=arguments.images,
        minutes=option("--minutes", arguments.minutes, Number(0, 1e5)),
    )
    record = run_suite(settings, lambda text: print(f"measuring {text}", file=sys.stderr))
    print(tables.as_text(tables.rows(record)), file=told)
    print(file=told)
    print(tables.as_text(tables.start_rows(record)), file=told)
    for result in record["results"]:
        if "sustained" in result:
            slow = result["sustained"]["slow_down"]
            print(
                f"\n{result['file']}, {result['kernels']}: {slow:.2f} times the time at the end",
                file=told,
            )
    waited = tables.busiest(record)
    if waited > 0.1:
        print(f"\nother processes held the processor for up to {waited:.0%} of the time", file=told)
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(record, indent=1), told)
    if arguments.html is not None:
        write_text(arguments.html, page.as_html(record), told)
    return 0
