"""The gate of the layers, shut by planted imports: one of each sort, in a copy of the tree."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

ROOT = Path(__file__).parents[1]
COMMAND = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    data = shutil.ignore_patterns("*.npz", "*.onnx", "*.jpg", "*.ckpt", "__pycache__")
    shutil.copytree(ROOT / "edgeface", folder / "edgeface", ignore=data)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def gate(folder):
    result = subprocess.run(
        [sys.executable, "-c", COMMAND, "--no-cache", "--config", "pyproject.toml"],
        cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True,
    )  # fmt: skip
    return result.returncode, " ".join(result.stdout.split())


def floors():
    """The floor of every part of edgeface, 0 the highest, as the contract has it."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c for c in tool["contracts"] if c.get("containers") == ["edgeface"])["layers"]
    return {name: i for i, floor in enumerate(layers) for name in re.findall(r"\w+", floor)}


def imported_by_name():
    """``(importer, imported)``: parts of edgeface that one file imports by a string of another."""
    for folder in ("edgeface", "kernels", "reference", "converters"):
        for path in (ROOT / folder).rglob("*.py"):
            part = path.relative_to(ROOT / "edgeface").parts[0] if folder == "edgeface" else folder
            for name in re.findall(r"""import_module\(f?["']edgeface\.(\w+)""", path.read_text()):
                yield part.removesuffix(".py"), name


def test_what_is_imported_by_name_lies_lower_too():
    """The linter does not see these imports."""
    floor, found = floors(), set(imported_by_name())
    assert found
    assert [pair for pair in found if floor[pair[0]] > floor[pair[1]]] == []


def test_the_gate_is_open_to_the_tree_as_it_is(copy):
    status, said = gate(copy)
    assert (status, "0 broken" in said) == (0, True), said


@pytest.mark.parametrize(
    ("path", "line", "broken"),
    [
        ("kernels/nms.py", "import edgeface.boxes", "edgeface.kernels.nms -> edgeface.boxes"),
        ("kernels/nms.py", "import torch", "edgeface.kernels.nms -> torch"),
        ("boxes.py", "import edgeface.kernels", "edgeface.boxes -> edgeface.kernels"),
        ("faces.py", "import edgeface.model", "edgeface.faces -> edgeface.model"),
        ("retarget/mapping.py", "import edgeface.video.reader",
         "edgeface.retarget.mapping -> edgeface.video.reader"),
        ("model.py", "import edgeface.reference",
         "edgeface.model -> edgeface.reference"),
        ("model.py", "import torch", "edgeface.model -> torch"),
        ("model.py", "import numba", "edgeface.model -> numba"),
        ("reference/__init__.py", "import edgeface.kernels",
         "edgeface.reference -> edgeface.kernels"),
        ("reference/__init__.py", "import edgeface.converters",
         "edgeface.reference -> edgeface.converters"),
        ("reference/data/packs.py", "import edgeface.reference.training",
         "edgeface.reference.data.packs -> edgeface.reference.training"),
        ("reference/training/log.py", "import edgeface.reference.evaluation",
         "edgeface.reference.training.log -> edgeface.reference.evaluation"),
        ("reference/novelty.py", "import torch", "edgeface.reference.novelty"),
        ("novelty.py", "import edgeface.reference", "edgeface.novelty"),
        ("novelty.py", "import torch", "edgeface.novelty -> torch"),
    ],
)  # fmt: skip
def test_a_planted_import_shuts_the_gate(copy, path, line, broken):
    planted = copy / "edgeface" / path
    before = planted.read_text() if planted.exists() else None
    planted.write_text(f"{before or ''}\n{line}\n")
    try:
        status, said = gate(copy)
    finally:
        if before is None:
            planted.unlink()
        else:
            planted.write_text(before)
    assert status == 1
    assert broken in said, said
