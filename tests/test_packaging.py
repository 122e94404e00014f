"""The built wheel holds exactly what the tree does."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"edgeface": "edgeface", "kernels": "edgeface/kernels",
            "converters": "edgeface/converters", "reference": "edgeface/reference"}  # fmt: skip


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("needs the source tree")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return set(archive.namelist())


def tracked_files():
    listing = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    # a tracked symlink shows as itself, without what lies behind it
    return [Path(name) for name in listing if not (ROOT / name).is_symlink()]


def test_wheel_matches_the_tree(wheel_names):
    expected = set()
    for path in tracked_files():
        folder, *rest = path.parts
        expected.add("/".join([PACKAGES[folder], *rest]))
    shipped = {name for name in wheel_names if name.startswith("edgeface/")}
    assert shipped == expected


def test_wheel_ships_weights_and_licence(wheel_names):
    for name in ("mfn.onnx", "sfn.onnx", "face_model.npz", "demo.jpg", "mfn.md", "sfn.md"):
        assert f"edgeface/assets/{name}" in wheel_names
    assert any(name.endswith("licenses/LICENSE") for name in wheel_names)
    assert "edgeface/py.typed" in wheel_names
