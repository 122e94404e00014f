"""The wheel holds what the tree does, says so, and is the same bytes whoever builds it."""

import email
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import edgeface

ROOT = Path(__file__).parents[1]
PACKAGES = {"edgeface": "edgeface", "kernels": "edgeface/kernels",
            "converters": "edgeface/converters", "reference": "edgeface/reference"}  # fmt: skip
CHECKPOINTS = Path("reference/checkpoints")
"""A distribution of its own."""
MOST_MB = 25


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist of the working tree."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("needs the source tree")
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def build(tree, out):
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1764374400"}
    command = [sys.executable, str(tree / ".ci/build.py"), str(out)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel_names(built):
    with zipfile.ZipFile(built[0]) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def about(built):
    """What the wheel says of itself."""
    with zipfile.ZipFile(built[0]) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def tracked_files():
    listing = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    # a tracked symlink shows as itself, without what lies behind it
    found = [Path(name) for name in listing if not (ROOT / name).is_symlink()]
    return [path for path in found if not path.is_relative_to(CHECKPOINTS)]


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
    for name in ("LICENSE", "LICENSE-WEIGHTS.md", "THIRD_PARTY_NOTICES.md"):
        assert any(path.endswith(f"licenses/{name}") for path in wheel_names)
    assert "edgeface/py.typed" in wheel_names


def test_wheel_is_small(built):
    assert built[0].stat().st_size <= MOST_MB * 1e6


def test_package_of_the_web_has_the_version_of_the_runtime():
    described = json.loads((ROOT / "examples/web/package.json").read_text())
    assert described["version"] == edgeface.__version__


def test_library_in_cpp_has_the_version_of_the_runtime():
    described = (ROOT / "examples/cpp/CMakeLists.txt").read_text()
    assert f"project(edgeface VERSION {edgeface.__version__} " in described


def test_checkpoints_have_the_version_of_the_runtime():
    described = tomllib.loads((ROOT / CHECKPOINTS / "pyproject.toml").read_text())
    assert described["project"]["version"] == edgeface.__version__


def test_metadata_tells_licences_and_addresses(about):
    assert (
        about["License-Expression"]
        == "Apache-2.0 AND MIT AND CC-BY-4.0 AND LicenseRef-edgeface-research"
    )
    assert {url.split(",")[0] for url in about.get_all("Project-URL")} >= {
        "Homepage", "Documentation", "Source", "Issues", "Changelog",
    }  # fmt: skip


def test_version_has_one_source(about):
    assert about["Version"] == edgeface.__version__
    assert f"version: {edgeface.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    newest = re.findall(r"^## \[(\d[^]]*)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[0]
    assert newest[0] == edgeface.__version__
    assert f'date-released: "{newest[1]}"' in (ROOT / "CITATION.cff").read_text()


def test_every_dependency_has_a_lower_bound(about):
    for requirement in about.get_all("Requires-Dist"):
        assert requirement.startswith("edgeface[") or re.match(
            r"[\w.-]+(\[\w+\])?(<[\d.]+,)?[>=]=", requirement
        )


def test_the_oldest_that_is_tried_is_the_oldest_that_is_allowed(about):
    bounds = {}
    for requirement in about.get_all("Requires-Dist"):
        name, *_ = re.match(r"[\w-]+", requirement)[0].lower(), None
        bounds[name] = re.search(r">=([\d.]+)", requirement)
    lines = (ROOT / ".ci/oldest.txt").read_text().splitlines()
    for name, version in (line.split("==") for line in lines if not line.startswith("#")):
        assert (version + ".0").startswith(bounds[name][1] + "."), name


def test_the_same_tree_gives_the_same_bytes(built, tmp_path):
    """In another folder, with other modes and dates."""
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listing.stdout.splitlines():
        target = tmp_path / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target, follow_symlinks=False)
        if not target.is_symlink():
            target.chmod(0o600 | (target.stat().st_mode & 0o100))
            os.utime(target, (0, 1.5e9))
    again = build(tmp_path / "tree", tmp_path / "dist")
    for first, second in zip(built, again, strict=True):
        digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
        assert len(digests) == 1, first.name
