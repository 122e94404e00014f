"""Running LiteRT's ``benchmark_model`` on a phone through adb."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from edgeface.errors import BackendUnavailableError, InferenceError, InvalidInputError

FOLDER = "/data/local/tmp/edgeface"
LEAST_RUNS = 50
"""How many times the model is run at least."""
NUMBER = r"([\d.]+(?:e[+-]?\d+)?)"
TIMINGS = re.compile(
    rf"Inference timings in us: Init: {NUMBER}, First inference: {NUMBER}, "
    rf"Warmup \(avg\): {NUMBER}, Inference \(avg\): {NUMBER}"
)
SPREAD = re.compile(rf"count=(\d+) .*?std={NUMBER}(?: p5={NUMBER} median={NUMBER} p95={NUMBER})?")
MEMORY = re.compile(rf"(?:peak memory footprint \(MB\)[^:]*: |overall=){NUMBER}")
FALLBACK = re.compile(r"(fall(?:ing)? back|will not be executed by the delegate)", re.IGNORECASE)


def bench_on_phone(
    model: Path, tool: Path, threads: int, *, gpu: bool = False, adb: str = "adb"
) -> dict[str, Any]:
    """Push a model and the tool to the connected phone, run it, read its report.

    Parameters
    ----------
    model : a ``.tflite`` file
    tool : LiteRT's ``benchmark_model`` for the phone's processor
    threads : the number of threads on the phone's CPU
    gpu : whether the GPU delegate runs it instead
    adb : the adb executable

    Raises
    ------
    InvalidInputError
        If a file is absent or the model is no ``.tflite``.
    BackendUnavailableError
        If adb is not installed or no phone answers.
    InferenceError
        If the tool fails, or its report cannot be read.
    """
    if model.suffix != ".tflite":
        raise InvalidInputError(f"benchmark_model runs .tflite files, got {model.name}")
    for path in (model, tool):
        if not os.path.exists(path):
            raise InvalidInputError(f"no such file: {path}")
    if _adb(adb, "get-state").strip() != "device":
        raise BackendUnavailableError("no phone answers: connect one and allow USB debugging")
    _adb(adb, "shell", f"mkdir -p {FOLDER}")
    for path in (model, tool):
        _adb(adb, "push", str(path), f"{FOLDER}/{path.name}")
    # the phone's shell takes names apart that hold spaces and the like
    program, graph = (shlex.quote(f"{FOLDER}/{path.name}") for path in (tool, model))
    _adb(adb, "shell", f"chmod 755 {program}")
    options = f"--graph={graph} --num_threads={threads} --num_runs={LEAST_RUNS}"
    options += " --use_gpu=true" if gpu else " --use_xnnpack=true"
    report = _adb(adb, "shell", f"{program} {options} 2>&1")
    return {
        "model": model.name,
        "threads": threads,
        "gpu": gpu,
        "phone": _adb(adb, "shell", "getprop ro.product.model").strip(),
        "android": _adb(adb, "shell", "getprop ro.build.version.release").strip(),
        "chip": _adb(adb, "shell", "getprop ro.soc.model").strip(),
        **read_report(report),
    }


def read_report(text: str) -> dict[str, Any]:
    """Read the figures of benchmark_model's report; absent ones are None.

    Raises
    ------
    InferenceError
        If the report holds no times.
    """
    timings = TIMINGS.search(text)
    if timings is None:
        last = (text.strip().splitlines() or ["it is empty"])[-1]
        raise InferenceError(f"benchmark_model reported no timings: {last}")
    init, first, warm_up, mean = (float(value) / 1e3 for value in timings.groups())
    spreads = list(SPREAD.finditer(text))  # the last one follows the warm-up
    count, deviation, p5, median, p95 = spreads[-1].groups() if spreads else (None,) * 5
    memory = MEMORY.findall(text)

    def milliseconds(value: str | None) -> float | None:
        return None if value is None else float(value) / 1e3

    return {
        "load_ms": init,
        "first_ms": first,
        "warm_up_ms": warm_up,
        "mean_ms": mean,
        "median_ms": milliseconds(median),
        "p5_ms": milliseconds(p5),
        "p95_ms": milliseconds(p95),
        "deviation_ms": milliseconds(deviation),
        "rounds": None if count is None else int(count),
        "peak_memory_mb": max(map(float, memory)) if memory else None,
        "fell_back_to_cpu": FALLBACK.search(text) is not None,
    }


def _adb(adb: str, *arguments: str) -> str:
    try:
        result = subprocess.run(
            [adb, *arguments], capture_output=True, text=True, timeout=600, check=False
        )
    except FileNotFoundError as error:
        raise BackendUnavailableError(
            f"{adb} is not installed: it comes with Android's platform tools"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise InferenceError(f"adb {arguments[0]} took longer than ten minutes") from error
    if result.returncode:
        said = (result.stderr or result.stdout).strip()
        if arguments[0] == "get-state":
            raise BackendUnavailableError(f"no phone answers: {said}")
        raise InferenceError(f"adb {arguments[0]} failed: {said}")
    return result.stdout
