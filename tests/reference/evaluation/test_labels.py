"""The tables of how a pack's labels differ."""

import numpy as np

from edgeface.reference.data.packs import RESEARCH, open_pack
from edgeface.reference.evaluation import labels
from edgeface.reference.face_model import corpus


def test_a_pack_of_points_alone_has_no_rows_that_need_meshes(tiny_packs, face_model, monkeypatch):
    def without_meshes(folder, name):
        pack = open_pack(folder, name)
        pack.labels["mesh"][:] = pack.labels["irises"][:] = np.nan
        return pack

    monkeypatch.setattr(labels, "single_face_packs", lambda _: ("faces68-300w",))
    monkeypatch.setattr(labels, "open_pack", without_meshes)
    assert "faces68-300w" not in labels.check_labels(tiny_packs, face_model)


def test_points_that_show_no_face_are_no_labels(tiny_packs, face_model, monkeypatch):
    packs = {}

    def with_a_face_without_points(folder, name, free=False):
        packs[name] = open_pack(folder, name, free)
        if "landmarks68" in packs[name].labels:
            packs[name].labels["landmarks68"][[0, 5]] = [[[0.0]], [[np.nan]]]
        packs[name].labels["irises"][:] = np.nan
        return packs[name]

    for module in (labels, corpus):
        monkeypatch.setattr(module, "open_pack", with_a_face_without_points)
    monkeypatch.setattr(labels, "single_face_packs", lambda _: ("faces68-300w",))
    rows = labels.check_labels(tiny_packs, face_model).splitlines()
    (row,) = (row for row in rows if "points - mesh, all" in row)
    assert int(row.split("|")[2]) == 40 - 3  # one has no mesh
    assert float(row.split("|")[3]) < 0.5
    for validation in (False, True):
        assert np.ptp(corpus.read_corpus(tiny_packs, validation, RESEARCH).landmarks, axis=1).all()
