"""Process start to first faces and the memory they take: ``python -m benchmarks.profile.startup``.

Every case is a fresh process that runs the demo photo; times are medians of a few, after one that
warms the file cache. "cold" numba compiles its kernels, "warm" loads them from the cache.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from edgeface.kernels import numba_installed
from edgeface.timing import stopwatch, time_call

ROUNDS = 5
FIRST = """
import json, sys, time
import edgeface
model = edgeface.load("mfn", num_threads=1, kernels=sys.argv[1])
model.run(edgeface.DEMO_PHOTO)
from edgeface.bench.system import peak_memory_mb, resident_mb
print(json.dumps([resident_mb(), peak_memory_mb()]))
"""


def start(command, environment=None):
    """Run a process to its end; returns what it printed."""
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | (environment or {})
    ).stdout


def report(title, command):
    """Print the time of a process, and the memory where it prints that."""
    printed = start(command)
    timing = time_call(lambda: start(command), ROUNDS, warm_up=0)
    memory = ""
    if printed.startswith("["):
        resident, peak = json.loads(printed)
        memory = f"  resident {resident:.0f} MB, peak {peak:.0f} MB"
    median, fastest, slowest = (
        ms / 1e3 for ms in (timing.median_ms, timing.fastest_ms, timing.slowest_ms)
    )
    print(f"{title:<30} median {median:.2f} s  ({fastest:.2f} to {slowest:.2f}){memory}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    python = sys.executable
    report("python -c pass", [python, "-c", "pass"])
    report("import edgeface", [python, "-c", "import edgeface"])
    report("first faces, numpy", [python, "-c", FIRST, "numpy"])
    if numba_installed():
        report("first faces, numba, warm", [python, "-c", FIRST, "numba"])
        with tempfile.TemporaryDirectory() as folder:
            cold = {"NUMBA_CACHE_DIR": folder}
            _, spent_ms = stopwatch(lambda: start([python, "-c", FIRST, "numba"], cold))
            print(f"{'first faces, numba, cold':<30} once {spent_ms / 1e3:.2f} s")
    report("edgeface run demo", [python, "-m", "edgeface", "run", "demo"])
