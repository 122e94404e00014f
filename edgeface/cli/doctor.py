"""``edgeface doctor``: what is installed, what is missing, what is slow here and why."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform

import edgeface
from edgeface import kernels
from edgeface.backends import backends
from edgeface.backends.processors import usable_processors
from edgeface.errors import EdgeFaceError
from edgeface.image import letterbox, read_image
from edgeface.model import DEMO_PHOTO, load
from edgeface.ready import read_ready, ready_files
from edgeface.timing import time_call

EXTRAS = {
    "fast": ("numba",),
    "video": ("av", "pygltflib", "pythonosc", "websockets"),
    "heif": ("pillow_heif",),
    "tables": ("pandas", "pyarrow"),
    "supervision": ("supervision",),
    "completion": ("shtab",),
    "corpora": ("ray", "pyarrow", "fsspec"),
    "convert-onnx": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "convert-tflite": ("torch", "ai_edge_litert", "litert_torch", "ai_edge_quantizer"),
    "convert-coreml": ("torch", "coremltools", "sklearn"),
    "train": (
        "torch", "lightning", "filelock", "numba", "scipy", "matplotlib", "pycocotools", "h5py",
        "av",
    ),
}  # fmt: skip
"""Extras beside those of backends, and the modules that each brings."""
OVERHEAD = 1.25
"""A run that takes so many times its network loses time around it."""
ROUNDS = 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has no options: its output is to be pasted into reports as it is."""


def execute(arguments: argparse.Namespace) -> int:
    """Print the report; returns 1 if no network can be run here, or the package is damaged."""
    print(f"edgeface {edgeface.__version__}, Python {platform.python_version()}, ", end="")
    print(f"{platform.system()} {platform.machine()}")
    advice: list[str] = []
    broken = _report_engines(advice) + _report_package(advice)
    _report_extras()
    _report_threads(advice)
    if not broken:
        try:
            _report_speed(advice)
        except EdgeFaceError as error:  # of a library that is there, but cannot be imported
            advice.append(str(error))
            broken = 1
    print("\nadvice" if advice else "\nnothing to improve")
    for line in advice:
        print(f"- {line}")
    return 1 if broken else 0


def _report_engines(advice: list[str]) -> int:
    print("\nengines")
    for backend in backends():
        state = backend.version if backend.available else f"missing: {backend.install}"
        print(f"  {backend.engine:<14}{backend.suffix:<12}{state}")
    if any(backend.available for backend in backends()):
        return 0
    advice.append("no engine can run a network: pip install 'edgeface[onnx]'")
    return 1


def _report_package(advice: list[str]) -> int:
    files = ready_files()
    damaged: list[str] = []
    for file in files:
        try:
            read_ready(file)
        except EdgeFaceError as error:
            damaged.append(str(error))
    advice += damaged
    print(f"\nnetworks that ship: {len(files)} files, {len(damaged)} of them damaged")
    return len(damaged)


def _report_extras() -> None:
    print("\nextras")
    for extra, modules in EXTRAS.items():
        missing = [m for m in modules if importlib.util.find_spec(m) is None]
        state = f"missing {', '.join(missing)}: pip install 'edgeface[{extra}]'"
        print(f"  {extra:<16}{state if missing else _versions(modules[:1])}")


def _versions(modules: tuple[str, ...]) -> str:
    found: list[str] = []
    for module in modules:
        try:
            found.append(f"{module} {importlib.metadata.version(module.replace('_', '-'))}")
        except importlib.metadata.PackageNotFoundError:
            found.append(module)
    return ", ".join(found)


def _report_threads(advice: list[str]) -> None:
    cores = os.cpu_count() or 1
    print(f"\nprocessors: {cores}, of which this process may use {usable_processors():g}")
    load_now = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load_now > cores:
        advice.append(
            f"other programs keep {load_now:.0f} threads busy; the times above are too long"
        )


def _report_speed(advice: list[str]) -> None:
    photo = read_image(DEMO_PHOTO)
    model = load("mfn", detail="fast")
    tensor = letterbox(photo, model.metadata.input_size)[0][None]
    network = time_call(lambda: model.infer(tensor), ROUNDS).median_ms
    whole = time_call(lambda: model.run(photo, look_again=False), ROUNDS).median_ms
    print(f"\nspeed here: mfn {network:.1f} ms, with everything around it {whole:.1f} ms")
    print(f"kernels: {model.engine.explain()}")
    if not kernels.numba_installed():
        advice.append(
            "kernels run in numpy: pip install 'edgeface[fast]' makes them 3 to 7 times faster"
        )
    elif whole > OVERHEAD * network:
        advice.append("the first 200 runs use numpy; load(..., kernels='numba') starts compiled")
    if kernels.numba_installed() and kernels.cache_folder() is None:
        advice.append(
            "compiled kernels cannot be kept, so each process compiles anew: set NUMBA_CACHE_DIR "
            "to a folder that can be written"
        )
    if model.metadata.precision == "fp32":
        advice.append(
            "int8 takes about half the time on many processors: edgeface bench choose mfn measures "
            "which file is the fastest here"
        )
