"""Walk the four tutorials as a stranger does, each in a fresh environment, and time them.

    python .ci/tutorials.py WHEEL [NAME ...]

Every block of code is a step. Lines that install edgeface install the wheel. Reading is 200 words a
minute, blocks included. Prints a table for `docs/explanation/install.md`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("first-faces", "deploy-to-a-phone", "drive-a-character", "train-your-own")
BLOCK = re.compile(r"^(<!-- not run: .+ -->\n)?```(python|bash)\n(.*?)^```$", re.M | re.S)
INSTALL = re.compile(r"^pip install .*?\[([\w,-]+)\]'$", re.M)
WORDS_A_MINUTE = 200


def walk(name: str, wheel: Path, folder: Path) -> tuple[int, float, float, float]:
    """Follow one tutorial; the steps, and seconds of reading, of installing and of the rest."""
    text = (ROOT / f"docs/tutorials/{name}.md").read_text()
    steps = [(language, code) for skipped, language, code in BLOCK.findall(text) if not skipped]
    (folder / "examples").symlink_to(ROOT / "examples")
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    activate = f". {folder}/.venv/bin/activate\n"
    installing = running = 0.0
    earlier = ""  # Python blocks of a page are one session
    for language, code in steps:
        start = time.monotonic()
        if "pip install" in code:
            code = INSTALL.sub(lambda found: f"pip install -q '{wheel}[{found[1]}]'", code)
        if language == "python":
            script, earlier = f"{earlier}\nprint('-----')\n{code}", f"{earlier}\n{code}"
            command = [folder / ".venv/bin/python", "-c", script]
        else:
            command = ["bash", "-ec", activate + code]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: {code}\n{done.stdout}\n{done.stderr}")
        seconds = time.monotonic() - start
        if "pip install" in code:
            installing += seconds
        else:
            running += seconds
    return len(steps), 60 * len(text.split()) / WORDS_A_MINUTE, installing, running


def main() -> None:
    """Walk the tutorials that are named, by default all."""
    wheel = Path(sys.argv[1]).resolve()
    print("| tutorial | steps | reading | installing | running | in all |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in sys.argv[2:] or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            steps, *seconds = walk(name, wheel, Path(folder))
        cells = " | ".join(f"{s:.0f} s" for s in (*seconds, sum(seconds)))
        print(f"| [{name}](../tutorials/{name}.md) | {steps} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
