"""What a measurement was made on (hardware, OS, libraries, commit), and memory and energy."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import edgeface

LIBRARIES = ("numpy", "pillow", "numba", "onnxruntime", "ai-edge-litert", "coremltools", "torch")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


def system_record() -> dict[str, Any]:
    """Everything that a reader needs to repeat a measurement; None where it cannot be told."""
    return {
        "os": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
        "memory_mb": _memory_mb(),
        "governor": _first_line(GOVERNOR),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "edgeface": edgeface.__version__,
        "commit": _commit(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def peak_memory_mb() -> float | None:
    """The most resident memory that this process ever had."""
    if sys.platform == "win32":
        return None
    resource: Any = importlib.import_module("resource")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def resident_mb() -> float | None:
    """The resident memory of this process now; None on other systems than Linux."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def energy_joules() -> float | None:
    """The energy that the processor has drawn so far (RAPL); None if it cannot be read."""
    line = _first_line(RAPL)
    return None if line is None else int(line) / 1e6


def energy_each(start: float | None, end: float | None, runs: int) -> float | None:
    """The energy of each run between two of `energy_joules`, J.

    None if one is not known, or the processor's counter has begun again between them.
    """
    return None if start is None or end is None or end < start else (end - start) / runs


def _cpu_name() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model", "Hardware")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string")
    return platform.processor() or None


def _memory_mb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 20)
    except (AttributeError, ValueError, OSError):
        return None


def _commit() -> str | None:
    root = Path(edgeface.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    return _output("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().splitlines()[0]
    except (OSError, IndexError):
        return None


def _output(*command: str) -> str | None:
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
