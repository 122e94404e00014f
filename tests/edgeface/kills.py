"""Kills commands at random moments and looks at what is left of their files.

    python -m tests.edgeface.kills [--each 100] [--seed 1] [COMMAND...]

A child process runs a command again and again over its own older output. It is killed, every other
time by SIGKILL and else by SIGTERM, after a random time. What has the output's name must then be
whole, old or new; of a recording and a video, all but the end. After SIGTERM no draft may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import edgeface
from edgeface.cli import main as edgeface_main
from edgeface.output import PREFIX
from edgeface.recording import read_recording
from edgeface.terminal import ended_by_signals

ENDED = 130


def _command(*arguments):
    return lambda folder: lambda: edgeface_main([a.format(folder) for a in arguments])


def _convert(folder):
    from edgeface.converters.formats import find_format
    from edgeface.converters.metadata import network_metadata
    from edgeface.converters.pipeline import split
    from edgeface.converters.writing import Job, write
    from edgeface.reference.networks.checkpoint import load_network

    trained = load_network("sfn")
    metadata, onnx = network_metadata(trained), find_format("onnx")
    model = onnx.lower(onnx.export(trained, metadata), "fp32", None)
    job = Job(onnx, model, metadata, trained.face_model, trained, Path(folder) / "sfn.onnx")
    images = split([])[1]
    return lambda: write(job, images, False)


def _train(folder):
    import torch

    from edgeface.reference.networks.checkpoint import SHIPPED
    from edgeface.reference.training.checkpoints import LAST, WholeCheckpoints

    content = torch.load(SHIPPED["mfn"], weights_only=True)
    content["optimizer"] = {i: torch.randn(200_000) for i in range(25)}
    return lambda: WholeCheckpoints().save_checkpoint(content, Path(folder) / LAST)


def _bench(folder):
    from edgeface.cli.bench.files import write_text

    text = json.dumps({"results": list(range(300_000))})
    return lambda: write_text(Path(folder) / "record.json", text)


COMMANDS = {
    "run": ("demo-faces.png", _command("run", "demo", "--out", "{}")),
    "track --out .mp4": ("o.mp4", _command("track", "demo", "--out", "{}/o.mp4")),
    "track --out .mkv": ("o.mkv", _command("track", "demo", "--out", "{}/o.mkv")),
    "track --record .jsonl": ("t.jsonl", _command("track", "demo", "--record", "{}/t.jsonl")),
    "track --record .csv": ("t.csv", _command("track", "demo", "--record", "{}/t.csv")),
    "track --record .html": ("t.html", _command("track", "demo", "--record", "{}/t.html")),
    "bench --json": ("record.json", _bench),
    "convert": ("sfn.onnx", _convert),
    "train": ("last.ckpt", _train),
}


def child(run):
    """Run a command until killed, after SIGTERM until it is cleaned up; never returns."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    status = None
    try:
        with ended_by_signals(), contextlib.suppress(KeyboardInterrupt):
            while status != ENDED:
                status = run()
        os._exit(ENDED)
    except BaseException:
        os._exit(1)


def check(path):
    """Raise where a file is not whole."""
    if path.suffix == ".png":
        from PIL import Image

        Image.open(path).load()
    elif path.suffix in (".mp4", ".mkv"):
        import av

        with av.open(str(path)) as container:
            assert any(True for _ in container.decode(video=0))
    elif path.suffix == ".jsonl":
        assert read_recording(path).num_frames > 0
    elif path.suffix == ".csv":
        rows = list(csv.reader(path.read_text().splitlines()))
        assert len(rows) > 1
        assert {len(row) for row in rows} == {len(rows[0])}
    elif path.suffix == ".html":
        assert path.read_text().rstrip().endswith("</html>")
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".onnx":
        assert edgeface.load(path).metadata.checksummed
    else:
        import torch

        torch.load(path, weights_only=True)


def kills(name, count, seed, within_s):
    """Kill a command so many times; yields what was wrong, or None, and the drafts left."""
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        run, output = COMMANDS[name][1](folder), Path(folder) / COMMANDS[name][0]
        first = os.fork()
        if not first:
            child(run)
        while not output.exists():
            time.sleep(0.1)
        os.kill(first, signal.SIGTERM)
        os.waitpid(first, 0)
        for number in range(count):
            for left in Path(folder).iterdir():
                if left != output:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            process = os.fork()
            if not process:
                child(run)
            time.sleep(random.uniform(0, within_s))
            gently = number % 2 == 1
            os.kill(process, signal.SIGTERM if gently else signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            left = sorted(p.name for p in Path(folder).iterdir() if p != output)
            drafts = [draft for draft in left if draft.startswith(PREFIX)]
            try:
                check(output)
            except Exception as error:
                yield f"{type(error).__name__}: {error}", drafts
                continue
            # before the command could see to it, or anybody was seen whose curves could be kept
            early = status in (-signal.SIGTERM, 1)
            if gently and (drafts or not (early or status == ENDED)):
                yield f"SIGTERM ended with {status} and left {left}", drafts
            else:
                yield None, drafts


def main():
    """Print a row a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", default=[])
    parser.add_argument("--each", type=int, default=100, help="kills of each command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--within", type=float, default=2.0, help="seconds that a child lives at most"
    )
    arguments = parser.parse_args()
    for library in ("av", "numba", "onnxruntime"):  # once, rather than in every child
        importlib.import_module(library)
    print("| command | kills | outputs lost or broken | drafts left by SIGKILL |", flush=True)
    print("|---|---:|---:|---:|")
    bad = Counter()
    for name in arguments.commands or COMMANDS:
        num_drafts = 0
        for wrong, drafts in kills(name, arguments.each, arguments.seed, arguments.within):
            num_drafts += len(drafts)
            if wrong:
                bad[name] += 1
                print(f"{name}: {wrong}", file=sys.stderr)
        print(f"| `{name}` | {arguments.each} | {bad[name]} | {num_drafts} |", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
