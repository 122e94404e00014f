"""The pages: what they tell people to type works, and what they name is there.

In the README and the tutorials every block of code is run: ``python`` blocks of a page one after
another in one process, ``bash`` blocks by a shell, both in one empty folder. Where a ``text`` block
follows, it is what must be printed, numbers aside, which the weights decide. Lines that install
something are not run; the extras that they name must exist. A block under
``<!-- not run: REASON -->`` is left out.
"""

import contextlib
import importlib
import io
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *(f"docs/tutorials/{name}.md" for name in (
    "first-faces", "drive-a-character", "deploy-to-a-phone", "train-your-own",
))]  # fmt: skip
BLOCK = re.compile(r"^(<!-- not run: .+ -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLS = ("pip install", "python -m venv")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
NEEDED = {"train-your-own": ("lightning", "onnxscript"), "drive-a-character": ("av",),
          "deploy-to-a-phone": ("ai_edge_litert",)}  # fmt: skip

pytestmark = pytest.mark.skipif(not (ROOT / "mkdocs.yml").is_file(), reason="needs the source tree")


def blocks(page):
    """Language and code of the blocks to run, in order."""
    found = BLOCK.findall((ROOT / page).read_text())
    return [(language, code) for skipped, language, code in found if not skipped]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the examples beside it, as in a checkout; the commands are found."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("web"))
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in (("edgeface", "edgeface"), ("edgeface-train", "edgeface.reference.cli")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (commands / name).chmod(0o755)
    (commands / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (commands / "python").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("EDGEFACE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def shell(code):
    lines = [line for line in code.splitlines() if not line.startswith(INSTALLS)]
    done = subprocess.run(
        ["bash", "-e"], input="\n".join(lines), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.skipif(os.name == "nt", reason="the blocks are for a POSIX shell")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: Path(page).stem)
def test_every_block_of_a_page_runs(page, folder):
    for module in NEEDED.get(Path(page).stem, ()):
        pytest.importorskip(module)
    names, printed = {}, ""
    for language, code in blocks(page):
        if language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(code, page, "exec"), names)
            printed = output.getvalue()
        elif language == "bash":
            printed = shell(code)
        elif language == "text":
            assert NUMBER.sub("N", printed) == NUMBER.sub("N", code)
        else:
            pytest.fail(f"{page} has a block of no language that can be run: {code}")


def test_install_lines_name_extras_that_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    sources = [
        *sorted((ROOT / "edgeface").rglob("*.py")),
        *sorted((ROOT / "converters").glob("*.py")),
    ]
    for path in (*pages, *sources):
        text = path.read_text()
        for found in re.findall(r"(?:edgeface|'\.|\")\[([a-z][a-z,-]*)\]'", text):
            assert set(found.split(",")) <= set(extras), f"{path}: {found}"


def test_blocks_that_install_and_run_name_an_engine():
    commands = "-train evaluate| run| track| calibrate| demo| personalise| bench"
    runs = re.compile(rf"^edgeface({commands})\b", re.MULTILINE)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for _, _, code in BLOCK.findall(path.read_text()):
            installs = re.search(r"pip install (?:-e )?'(?:edgeface|\.)\[(.+)\]'", code)
            if installs and runs.search(code):
                assert {"onnx", "tflite"} & set(installs[1].split(",")), f"{path}: {code}"


def test_pages_that_the_source_names_are_there():
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listing.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".js", ".hpp", ".cpp"} and path.is_file():
            for page in re.findall(r"\bdocs/[\w/-]+\.(?:md|py|json)\b", path.read_text()):
                assert (ROOT / page).is_file(), f"{name} names {page}"


def test_every_benchmark_that_is_a_command_has_a_help():
    commands = [
        path
        for path in sorted((ROOT / "benchmarks").rglob("*.py"))
        if '__name__ == "__main__"' in path.read_text()
    ]
    assert len(commands) > 25
    assert [path.name for path in commands if "ArgumentParser(" not in path.read_text()] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built once; strict, so that a dead link, a page without a place, or a name that is
    not documented fails here."""
    pytest.importorskip("material", reason="needs the dependency group: docs")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def public_modules():
    """The package, and each of its subpackages that says which names are public."""
    import edgeface

    found = [edgeface]
    for about in pkgutil.iter_modules(edgeface.__path__, "edgeface."):
        if about.ispkg and about.name != "edgeface.reference":  # for training, by its command
            found.append(importlib.import_module(about.name))
    return [module for module in found if getattr(module, "__all__", None)]


def test_site_has_every_public_name(site):
    pytest.importorskip("torch", reason="the converters need it")
    pages = "".join(page.read_text() for page in (site / "reference/api").rglob("*.html"))
    names = [f"{m.__name__}.{n}" for m in public_modules() for n in m.__all__ if n[:2] != "__"]
    assert len(names) > 80
    assert [name for name in names if f'id="{name}"' not in pages] == []


def test_site_needs_nothing_from_elsewhere(site):
    """No script, style, font or picture of a page has an address."""
    for page in site.rglob("*.html"):
        for address in re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', page.read_text()
        ):
            assert not address.startswith(("http", "//")), f"{page.name}: {address}"
    assert (site / "search").is_dir()


def test_every_link_of_the_site_leads_somewhere(site):
    ids = {}
    for page in site.rglob("*.html"):
        ids[page.resolve()] = set(re.findall(r'\bid="([^"]+)"', page.read_text()))
    for page in ids:
        for link in re.findall(r'<a[^>]+href="([^"]+)"', page.read_text()):
            target, _, anchor = link.partition("#")
            if link.startswith(("http", "mailto", "javascript")) or page.name == "404.html":
                continue
            found = (page.parent / target).resolve() if target else page
            assert found.exists(), f"{page.relative_to(site)}: {link}"
            if anchor and found in ids:
                assert anchor in ids[found], f"{page.relative_to(site)}: {link}"


def test_pages_that_errors_name_have_those_headings(site):
    from edgeface import errors

    kinds = [getattr(errors, name) for name in dir(errors) if name.endswith("Error")]
    for kind in kinds:
        page, _, anchor = kind.page.partition("#")
        text = (site / page).read_text()
        assert not anchor or f'id="{anchor}"' in text, kind
