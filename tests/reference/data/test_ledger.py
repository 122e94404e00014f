"""A free run opens nothing that the ledger lacks."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from edgeface.errors import InvalidInputError
from edgeface.reference.data import packs
from edgeface.reference.data.faces import read_faces
from edgeface.reference.data.ledger import MADE, Ledger, Source, free_ledger
from edgeface.reference.data.packs import FREE, open_pack, photo_packs, single_face_packs
from edgeface.reference.face_model.own import FREE_MODEL, read_face_model
from edgeface.reference.networks.checkpoint import SHIPPED
from edgeface.reference.training.recipe import read_recipe
from edgeface.reference.training.train import train

RESEARCH_ONLY = ("300w", "wider", "lfw", "video", "negatives.zip", "expressive", "masks.zip")


def test_every_listed_file_has_a_source_with_terms():
    ledger = free_ledger()
    assert len(ledger.files) > 1000
    assert {source for source, _ in ledger.files.values()} == set(ledger.sources)
    for source in ledger.sources.values():
        assert all((source.address, source.terms, source.holder, source.date))
    for digest, (_, name) in ledger.files.items():
        assert len(digest) == 64
        assert not any(word in name.lower() for word in RESEARCH_ONLY), name


def test_the_ledger_reads_what_it_lists(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"content")
    source = Source("somewhere", "CC0", "nobody", "2026-11-29")
    listed = {hashlib.sha256(b"content").hexdigest(): ("one", "photo.jpg")}
    assert Ledger({"one": source}, listed).read(path) == b"content"
    path.write_bytes(b"other content")
    with pytest.raises(InvalidInputError, match=r"photo\.jpg is not in the ledger of free sources"):
        Ledger({"one": source}, listed).read(path)
    with pytest.raises(InvalidInputError, match="cannot read"):
        Ledger({"one": source}, listed).read(tmp_path / "absent.jpg")


def test_a_free_run_refuses_packs_that_the_ledger_lacks(tiny_packs, face_model, monkeypatch):
    """Of packs of the right names, and of those of research by a wrong recipe."""
    with pytest.raises(InvalidInputError, match="not in the ledger"):
        open_pack(tiny_packs, "faces68-300w", free=True)
    names = replace(FREE, faces=packs.RESEARCH.faces)
    with pytest.raises(InvalidInputError, match="not in the ledger"):
        read_faces(tiny_packs, face_model, False, names)


def test_a_free_run_opens_nothing_but_the_ledgers_files(tmp_path, tiny_packs, face_model, opened):
    """Every file that reading a free split opens has its content in the ledger."""
    ledger, paths = opened
    ledger_files = {
        hashlib.sha256((tiny_packs / f"{name}.zip").read_bytes()).hexdigest(): (MADE, name)
        for name in packs.RESEARCH.faces
    }
    ledger.update(ledger_files)
    paths.clear()
    read_faces(tiny_packs, face_model, False, replace(FREE, faces=packs.RESEARCH.faces))
    data = [p for p in paths if p.is_relative_to(tiny_packs)]
    assert {hashlib.sha256(p.read_bytes()).hexdigest() for p in data} == set(ledger_files)


@pytest.fixture
def opened(monkeypatch, tiny_packs):
    """The files of a ledger to fill in, and the paths of all files that are read whole."""
    files: dict[str, tuple[str, str]] = {}
    paths: list[Path] = []
    real_read = Path.read_bytes

    def read_bytes(path):
        paths.append(path)
        return real_read(path)

    def refused(*arguments, **options):
        path = arguments[0]
        if isinstance(path, str | Path) and Path(path).is_relative_to(tiny_packs):
            raise AssertionError(f"{path} was opened past the ledger")
        return real_zip(*arguments, **options)

    real_zip = packs.zipfile.ZipFile
    monkeypatch.setattr(packs, "free_ledger", lambda: Ledger(free_ledger().sources, files))
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(packs.zipfile, "ZipFile", refused)
    return files, paths


def test_free_sources_are_of_packs_of_their_own(tmp_path):
    (tmp_path / "faces-rendered.zip").touch()
    free = {*single_face_packs(tmp_path, FREE), *photo_packs(tmp_path, FREE)}
    research = {*packs.RESEARCH.faces, *packs.RESEARCH.more_faces, *packs.RESEARCH.photos,
                *packs.RESEARCH.more_photos, packs.RESEARCH.empty}  # fmt: skip
    assert "faces-rendered" in free
    assert not free & research


def test_the_free_face_model_is_in_the_ledger():
    assert free_ledger().source_of(FREE_MODEL.read_bytes()) == MADE
    model = read_face_model("free")
    assert model.info["licence"].startswith("any use")
    assert model.mean.shape == (468, 3)


def test_a_free_run_begins_with_no_weights_of_research(tmp_path):
    with pytest.raises(InvalidInputError, match="was not learned in a free run"):
        train(read_recipe("sfn-free"), tmp_path, tmp_path / "out", SHIPPED["sfn"])
