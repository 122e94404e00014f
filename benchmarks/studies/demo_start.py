"""How long it takes from `edgeface demo demo` to a head that moves in the browser, by stages.

    python -m benchmarks.studies.demo_start [--rounds 5]

A headless Chromium shows an empty page; then the command is started, and the browser opens the
address that it prints, as the browser of a user does who has one open. Each stage is told in
seconds since the command was started. The page itself says when it has drawn a head in its second
pose.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.video.chromium import Browser, browser

STAGES = """(() => {
  const {timeOrigin} = performance, {told, moved} = document.body.dataset;
  const [page] = performance.getEntriesByType("navigation");
  const end = (name) =>
    performance.getEntriesByType("resource").find((r) => r.name.endsWith(name)).responseEnd;
  return {
    "page asked for": timeOrigin,
    "page there": timeOrigin + page.responseEnd,
    "three.js there": timeOrigin + end("three.js"),
    "head there": timeOrigin + end("head.glb"),
    "first face told": Number(told),
    "a head moves": Number(moved),
  };
})()"""
"""What the page answers: for each stage, milliseconds since 1970."""


def start(page: Browser) -> tuple[dict[str, float], float]:
    """Seconds by stage of one start, and the processor seconds of the command until then."""
    begun = time.time()
    command = [sys.executable, "-m", "edgeface", "demo", "demo", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(w for w in process.stdout.readline().split() if w.startswith("http"))
            printed = time.time()
            page.do("Page.navigate", url=address)
            page.wait_for("document.body.dataset.people > 0 && document.body.dataset.moved")
            used = _processor_s(process.pid)
            stages = {"address printed": printed}
            stages |= {name: at_ms / 1000 for name, at_ms in page.run(STAGES).items()}
        finally:
            process.send_signal(signal.SIGINT)
    return {name: at - begun for name, at in stages.items()}, used


def _processor_s(process: int) -> float:
    """Processor time of a process and its threads so far; NaN where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the median of each stage over the rounds, after one that is not counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        browser("about:blank", Path(folder)) as page,
    ):
        starts = [start(page) for _ in range(rounds + 1)][1:]
    print("| stage | seconds, median | all |")
    print("|---|---:|---|")
    for name in starts[0][0]:
        values = sorted(stages[name] for stages, _ in starts)
        print(f"| {name} | {statistics.median(values):.2f} |", *(f"{v:.2f}" for v in values), "|")
    used = statistics.median(used for _, used in starts)
    print(f"processor time of the command until then: {used:.2f} s")


if __name__ == "__main__":
    main()
