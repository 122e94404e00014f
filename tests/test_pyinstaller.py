"""What the hook tells PyInstaller holds all that a frozen program needs; checked without it."""

import ast
import importlib.util
import runpy
import tomllib
from pathlib import Path

import edgeface
from edgeface import pyinstaller
from edgeface.backends.tflite import LIBRARIES

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


LARGE = {
    "torch", "coremltools", "tensorflow", "pandas", "pyarrow", "supervision", "ray", "fsspec",
    "scipy", "shtab",
}  # fmt: skip


def test_small_libraries_that_are_imported_by_name_are_frozen():
    """Every name in a call of `import_module` or `needed` that the project itself does not hold."""
    told, seen = set(hook()["hiddenimports"]), set()
    for file in PACKAGE.glob("**/*.py"):
        if file.relative_to(PACKAGE).parts[0] in ("converters", "reference", "pyinstaller"):
            continue
        for call in (n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)):
            called = getattr(call.func, "attr", getattr(call.func, "id", ""))
            name = getattr(call.args[0], "value", None) if call.args else None
            if called in ("import_module", "needed") and isinstance(name, str):
                seen.add(name)
    seen |= set(LIBRARIES)
    foreign = {n for n in seen if n.partition(".")[0] not in {"edgeface", "resource", *LARGE}}
    assert {"av", "pythonosc.osc_message_builder", "websockets.sync.server"} <= foreign
    assert {n for n in foreign if importlib.util.find_spec(n.partition(".")[0])} <= told


def test_the_hook_imports_nothing_that_is_not_there():
    (folder,) = pyinstaller.hook_dirs()
    tree = ast.parse((Path(folder) / "hook-edgeface.py").read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {"__future__", "importlib.util", "pathlib"}
