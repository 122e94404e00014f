"""Execute the notebooks, and keep their outputs.

    python examples/notebooks/run.py [OUTDIR]

Each ``NAME.py`` here, in jupytext's percent format, becomes an executed ``NAME.ipynb``, by default beside
it. An error in a cell ends the command. Needs the dependency group ``notebooks``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
LIMIT_S = 600


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
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)  # times, which differ from run to run
    nbformat.write(notebook, out / f"{source.stem}.ipynb")


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
