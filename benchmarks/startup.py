"""Process start to first faces and the memory they take: ``python benchmarks/startup.py``.

Every case is a fresh process that runs the demo photo; times are medians of a few, after one that
warms the file cache. "cold" numba compiles its kernels, "warm" loads them from the cache.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from edgeface.kernels import numba_installed

ROUNDS = 5
FIRST = """
import json, sys, time
import edgeface
model = edgeface.load("mfn", num_threads=1, kernels=sys.argv[1])
model.run(edgeface.DEMO_PHOTO)
from edgeface.bench.system import peak_memory_mb, resident_mb
print(json.dumps([resident_mb(), peak_memory_mb()]))
"""


def measure(command, environment=None):
    start = time.perf_counter()
    result = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | (environment or {})
    )
    return time.perf_counter() - start, result.stdout


def report(title, command, rounds=ROUNDS, environment=None):
    measure(command, environment)
    results = [measure(command, environment) for _ in range(rounds)]
    times = [seconds for seconds, _ in results]
    memory = ""
    if results[0][1].startswith("["):
        resident, peak = json.loads(results[0][1])
        memory = f"  resident {resident:.0f} MB, peak {peak:.0f} MB"
    median = statistics.median(times)
    print(f"{title:<30} median {median:.2f} s  ({min(times):.2f} to {max(times):.2f}){memory}")


if __name__ == "__main__":
    python = sys.executable
    report("python -c pass", [python, "-c", "pass"])
    report("import edgeface", [python, "-c", "import edgeface"])
    report("first faces, numpy", [python, "-c", FIRST, "numpy"])
    if numba_installed():
        report("first faces, numba, warm", [python, "-c", FIRST, "numba"])
        with tempfile.TemporaryDirectory() as folder:
            cold = {"NUMBA_CACHE_DIR": folder}
            seconds, _ = measure([python, "-c", FIRST, "numba"], cold)
            print(f"{'first faces, numba, cold':<30} once {seconds:.2f} s")
    report("edgeface run demo", [python, "-m", "edgeface", "run", "demo"])
