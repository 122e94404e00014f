"""Execute the notebooks, and keep their outputs.

    python examples/notebooks/run.py [OUTDIR]

Each ``NAME.py`` here, in jupytext's percent format, becomes an executed ``NAME.ipynb``, by default beside
it. An error in a cell ends the command. Needs the dependency group ``notebooks``.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
LIMIT_S = 600
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LOGGED = re.compile(r"INFO: |[WIE]\d{4} |\d+ frames in ")


def execute(source: Path, out: Path) -> None:
    """Run one notebook in an empty folder, beside a link to the other examples."""
    notebook = jupytext.read(source)
    notebook.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "toy_data.py").symlink_to(HERE.parent / "toy_data.py")
        work = Path(folder) / "work"
        work.mkdir()
        NotebookClient(
            notebook, timeout=LIMIT_S, resources={"metadata": {"path": str(work)}}
        ).execute()
    tidy(notebook)
    nbformat.write(notebook, out / f"{source.stem}.ipynb")


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave out what differs from run to run: times, progress, and what libraries log."""
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)
        streams = [o for o in cell.get("outputs", []) if o.output_type == "stream"]
        printed = "".join(o.text for o in streams if o.name == "stdout").replace("\r\n", "\n")
        lines = [CONTROL.sub("", line.split("\r")[-1]) for line in printed.split("\n")]
        text = "\n".join(line for line in lines if line and not LOGGED.match(line))
        if streams:
            rest = [o for o in cell.outputs if o.output_type != "stream"]
            kept = [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []
            cell.outputs = kept + rest


def main() -> None:
    """Execute all notebooks."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    out.mkdir(parents=True, exist_ok=True)
    for source in sorted(HERE.glob("*.py")):
        if source.name != "run.py":
            execute(source, out)
            print(f"{source.stem}: runs", flush=True)


if __name__ == "__main__":
    main()
