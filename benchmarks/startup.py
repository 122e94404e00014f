"""Process start to printed faces: ``python benchmarks/startup.py``.

Runs ``edgeface run demo`` a few times with a warm cache and prints the median and the range.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 7


def measure(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    whole = [sys.executable, "-m", "edgeface.cli", "run", "demo"]
    for title, command in (
        ("python -c pass", [sys.executable, "-c", "pass"]),
        ("import edgeface", [sys.executable, "-c", "import edgeface"]),
        ("edgeface run demo", whole),
    ):
        measure(command)
        times = [measure(command) for _ in range(ROUNDS)]
        print(
            f"{title:<20} median {statistics.median(times):.2f} s"
            f"  ({min(times):.2f} to {max(times):.2f})"
        )
