"""``edgeface bench``: how fast a device runs the models, and `compare` of two records."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edgeface.errors import InvalidInputError
from edgeface.output import refuse_inputs, refuse_twice, write_output


def add_parser(commands: Any) -> None:
    """Declare the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bench",
        help="measure speed, start and memory on this device or a phone",
        description="Measure models; or `edgeface bench compare A.json B.json`.",
    )
    parser.add_argument(
        "models", nargs="*", default=["mfn"], help="model files, mfn, sfn, fusion; or: compare A B"
    )
    parser.add_argument(
        "--backend", type=_words, default=[], help="of the networks that ship: onnx,tflite,.."
    )
    parser.add_argument("--threads", type=_numbers, default=[1], metavar="1,2")
    parser.add_argument("--faces", type=_numbers, default=[0, 1, 5, 10, 20], metavar="0,1,5")
    parser.add_argument("--kernels", type=_words, default=[], metavar="numpy,numba")
    parser.add_argument("--images", type=Path, metavar="DIR", help="default: the demo photo")
    parser.add_argument("--minutes", type=float, default=0.0, help="of a sustained run as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report with plots")
    parser.add_argument(
        "--adb",
        type=Path,
        metavar="TOOL",
        help="run .tflite on a phone by LiteRT's benchmark_model",
    )
    parser.add_argument("--gpu", action="store_true", help="with --adb: by the GPU delegate")
    parser.set_defaults(execute=execute)


def _numbers(text: str) -> list[int]:
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers like 1,2, got {text!r}") from error
    if min(values) < 0:
        raise argparse.ArgumentTypeError(f"expected numbers of at least 0, got {text!r}")
    return values


def _words(text: str) -> list[str]:
    return text.split(",")


def execute(arguments: argparse.Namespace) -> int:
    """Measure and report; returns the exit status, after `compare` 1 where B is worse."""
    if arguments.models[0] == "compare":
        return _compare(arguments.models[1:])
    if arguments.adb is not None:
        return _phone(arguments)
    written = [path for path in (arguments.json, arguments.html) if path is not None]
    refuse_twice(written)
    for path in written:
        refuse_inputs(path, arguments.models)
    # measuring needs far more than the other commands, which should not wait for it
    from edgeface.bench import tables
    from edgeface.bench.suite import Settings, run_suite

    settings = Settings(
        models=arguments.models,
        backends=arguments.backend,
        threads=arguments.threads,
        faces=arguments.faces,
        kernels=arguments.kernels,
        images=arguments.images,
        minutes=arguments.minutes,
    )
    record = run_suite(settings, lambda text: print(f"measuring {text}", file=sys.stderr))
    print(tables.as_text(tables.rows(record)))
    print()
    print(tables.as_text(tables.start_rows(record)))
    for result in record["results"]:
        if "sustained" in result:
            slow = result["sustained"]["slow_down"]
            print(f"\n{result['file']}, {result['kernels']}: {slow:.2f} times the time at the end")
    waited = tables.busiest(record)
    if waited > 0.1:
        print(f"\nother processes held the processor for up to {waited:.0%} of the time")
    if arguments.json is not None:
        _write(arguments.json, json.dumps(record, indent=1))
    if arguments.html is not None:
        _write(arguments.html, tables.as_html(record))
    return 0


def _compare(paths: list[str]) -> int:
    from edgeface.bench.compare import compare
    from edgeface.bench.tables import as_text

    if len(paths) != 2:
        raise InvalidInputError("usage: edgeface bench compare A.json B.json")
    lines = compare(*(_read(Path(path)) for path in paths))
    table = [["figure", "A", "B", "unit", "B / A", "verdict"]]
    for line in lines:
        values = ["-" if v is None else f"{v:.4g}" for v in (line.a, line.b)]
        ratio = "-" if line.ratio is None else f"{line.ratio:.2f}"
        table.append([line.name, *values, line.unit, ratio, line.verdict])
    print(as_text(table))
    return int(any(line.verdict == "worse" for line in lines))


def _phone(arguments: argparse.Namespace) -> int:
    from edgeface.bench.android import bench_on_phone
    from edgeface.bench.tables import as_text

    records = [
        bench_on_phone(Path(model), arguments.adb, threads, gpu=arguments.gpu)
        for model in arguments.models
        for threads in arguments.threads
    ]
    print(as_text([list(records[0]), *([str(v) for v in r.values()] for r in records)]))
    if arguments.json is not None:
        _write(arguments.json, json.dumps({"schema_version": 1, "phone": records}, indent=1))
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
        if record["schema_version"] != 1 or "results" not in record:
            raise InvalidInputError(f"{path} is no record of edgeface bench, version 1")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"{path} is no record of edgeface bench: {error}") from error
    return record


def _write(path: Path, text: str) -> None:
    write_output(path, text)
    print(f"wrote {path}")
