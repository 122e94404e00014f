"""What the hook tells PyInstaller holds all that a frozen program needs; checked without it."""

import ast
import runpy
import tomllib
from pathlib import Path

import edgeface
from edgeface import pyinstaller

ROOT = Path(__file__).parents[1]
PACKAGE = Path(edgeface.__file__).parent


def hook():
    (folder,) = pyinstaller.hook_dirs()
    return runpy.run_path(str(Path(folder) / "hook-edgeface.py"))


def test_the_hook_is_announced():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pyinstaller40"] == {
        "hook-dirs": "edgeface.pyinstaller:hook_dirs"
    }


def test_every_file_beside_the_code_is_frozen():
    told = {Path(source): target for source, target in hook()["datas"]}
    for file in PACKAGE.rglob("*"):
        inside = file.relative_to(PACKAGE).parts
        if inside[0] in ("kernels", "converters", "reference", "__pycache__") or not file.is_file():
            continue
        if file.suffix not in (".py", ".pyc") and file.name != "py.typed":
            assert told[file] == str(Path("edgeface", *inside[:-1])), file


def test_every_module_that_is_imported_by_name_is_frozen():
    told = set(hook()["hiddenimports"])
    for file in [*PACKAGE.rglob("*.py"), *(PACKAGE / "kernels").rglob("*.py")]:
        inside = file.relative_to(PACKAGE).with_suffix("").parts
        if inside[0] in ("converters", "reference", "pyinstaller"):
            continue
        name = ".".join(["edgeface", *inside]).removesuffix(".__init__")
        assert name == "edgeface" or name in told, name


def test_the_hook_imports_nothing_that_is_not_there():
    (folder,) = pyinstaller.hook_dirs()
    tree = ast.parse((Path(folder) / "hook-edgeface.py").read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {"__future__", "pathlib"}
