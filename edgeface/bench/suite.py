"""Measuring all configurations of ``edgeface bench``, in a process each, and cold starts."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from edgeface.backends import threads_for
from edgeface.bench.system import system_record
from edgeface.engine import KernelChoice
from edgeface.errors import InvalidInputError
from edgeface.image_files import images_in
from edgeface.kernels import numba_installed
from edgeface.model import DEMO_PHOTO
from edgeface.ready import cached_ready, find_ready
from edgeface.shipped import BUNDLED, network_path
from edgeface.timing import time_call
from edgeface.values import Choice, option

SCHEMA_VERSION = 1
COLD_STARTS = 3

# process start to first faces, and what it took: run by `python -c`
FIRST_FACES = """
import sys
import edgeface
faces = edgeface.load(sys.argv[1], num_threads=int(sys.argv[2]), kernels=sys.argv[3])
faces.run(sys.argv[4])
from edgeface.bench.system import peak_memory_mb
print(peak_memory_mb())
"""


@dataclass(frozen=True)
class Settings:
    """What ``edgeface bench`` was asked for."""

    models: list[str]
    backends: list[str] = field(default_factory=lambda: [])
    threads: list[int] = field(default_factory=lambda: [1])
    faces: list[int] = field(default_factory=lambda: [0, 1, 5, 10, 20])
    kernels: list[str] = field(default_factory=lambda: [])
    images: Path | None = None
    minutes: float = 0.0
    budget_s: float = 1.0


def run_suite(settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything, and tell ``progress`` what is being measured.

    Returns the record that ``schema.json`` describes.
    """
    images = [DEMO_PHOTO] if settings.images is None else images_in(settings.images)
    for name in settings.kernels:
        option("--kernels", name, Choice(get_args(KernelChoice)))
    chosen = settings.kernels or (["numpy", "numba"] if numba_installed() else ["numpy"])
    results: list[dict[str, Any]] = []
    wanted = (path for model in settings.models for path in _files(model, settings.backends))
    files = list(dict.fromkeys(wanted))
    named = Counter(path.name for path in files)
    for path, threads, kernels in itertools.product(files, settings.threads, chosen):
        progress(f"{path.name}, {threads} threads, {kernels} kernels")
        request = {
            "model": str(path),
            "threads": threads,
            "kernels": kernels,
            "faces": settings.faces,
            "images": [str(image) for image in images],
            "minutes": settings.minutes,
            "budget_s": settings.budget_s,
        }
        # thousands of images are more than a command line holds
        record = json.loads(_python("-m", "edgeface.bench.measure", given=json.dumps(request)))
        record["file"] = path.name if named[path.name] == 1 else str(path)
        record["cold_start"] = cold_start(path, threads, kernels, images[0])
        results.append(record)
    return {"schema_version": SCHEMA_VERSION, "system": system_record(), "results": results}


def cold_start(path: Path, threads: int, kernels: str, image: Path) -> dict[str, Any]:
    """Time process start to first faces, with warm caches of files and kernels, and its memory."""
    command = ("-c", FIRST_FACES, str(path), str(threads_for(path, threads)), kernels, str(image))
    peak = _python(*command)
    timing = time_call(lambda: _python(*command), COLD_STARTS, warm_up=0)
    return {
        "median_s": timing.median_ms / 1e3,
        "min_s": timing.fastest_ms / 1e3,
        "max_s": timing.slowest_ms / 1e3,
        "peak_memory_mb": None if peak.strip() == "None" else float(peak),
    }


def _python(*arguments: str, given: str = "") -> str:
    result = subprocess.run(
        [sys.executable, *arguments], input=given, capture_output=True, text=True
    )
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        # of an error of ours, the text alone
        said = re.sub(r"^edgeface\.errors\.\w+: ", "", last)
        raise InvalidInputError(f"the measuring process failed: {said}")
    return result.stdout


def _files(model: str, backends: list[str]) -> list[Path]:
    """The model files of a name for the wanted backends."""
    if model in BUNDLED:
        files = [cached_ready(find_ready(model, backend)) for backend in backends or ["onnx"]]
    else:
        files = [network_path("a model", model)]
    for path in files:
        if not os.path.exists(path):
            raise InvalidInputError(f"no such model: {path}")
    return files
