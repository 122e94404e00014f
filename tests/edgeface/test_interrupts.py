"""Ctrl-C, as a terminal sends it: to the command and to all processes that it started."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of process groups")

# a shell's background jobs, and what they start, ignore SIGINT
START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from edgeface.cli import main; sys.exit(main())"
)


@pytest.mark.parametrize(
    ("command", "library"),
    [
        ("convert sfn --to onnx --out made", "torch"),
        ("bench run sfn --faces 1 --json made.json --html made.html", "onnxruntime"),
    ],
)
def test_an_interrupt_is_one_line_and_leaves_nothing(command, library, tmp_path):
    pytest.importorskip(library)
    process = subprocess.Popen(
        [sys.executable, "-c", START, *command.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    with process:
        said = process.stderr.readline()  # it is at work
        os.killpg(process.pid, signal.SIGINT)
        said += process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.endswith("\nedgeface: stopped\n")
    assert "Traceback" not in said
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_an_interrupt_ends_the_wait_for_standard_input():
    script = (
        "import signal\n"
        "from edgeface.ahead import read_ahead\n"
        "from edgeface.cli.sources import Source, find_sources\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.2)\n"
        "next(read_ahead(find_sources(['-'], False), Source.read, 1))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        process.wait(30)  # while standard input stays open
        said = process.stderr.read()
    assert said.endswith("KeyboardInterrupt\n")
