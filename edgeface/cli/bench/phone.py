"""``edgeface bench phone``: how fast a phone runs ``.tflite`` files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgeface.cli.bench.files import write_text
from edgeface.cli.options import add_thread_counts, output_path
from edgeface.output import check_place, refuse_inputs
from edgeface.terminal import named_path, told_on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the models, the tool and the processor."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="the .tflite files to measure")
    parser.add_argument(
        "--tool",
        type=named_path,
        required=True,
        metavar="FILE",
        help="LiteRT's benchmark_model, built for the phone's processor",
    )
    add_thread_counts(parser)
    parser.add_argument(
        "--gpu", action="store_true", help="run the models by the GPU delegate, not on the CPU"
    )
    parser.add_argument(
        "--json",
        type=output_path,
        metavar="FILE",
        help="write the record to this file; - is standard output",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Measure every model and print the table; returns the exit status."""
    from edgeface.bench.android import bench_on_phone
    from edgeface.bench.tables import as_text

    told = told_on([] if arguments.json is None else [arguments.json])
    if arguments.json is not None:
        refuse_inputs(arguments.json, arguments.models)
        check_place(arguments.json)
    records = [
        bench_on_phone(Path(model), arguments.tool, threads, gpu=arguments.gpu)
        for model in arguments.models
        for threads in arguments.threads
    ]
    table = as_text([list(records[0]), *([str(v) for v in r.values()] for r in records)])
    print(table, file=told)
    if arguments.json is not None:
        record = {"schema_version": 1, "phone": records}
        write_text(arguments.json, json.dumps(record, indent=1), told)
    return 0
