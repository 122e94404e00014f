"""The tables of how a pack's labels differ."""

import numpy as np

from edgeface.reference.data.packs import open_pack
from edgeface.reference.evaluation import labels


def test_a_pack_of_points_alone_has_no_rows_that_need_meshes(tiny_packs, face_model, monkeypatch):
    def without_meshes(folder, name):
        pack = open_pack(folder, name)
        pack.labels["mesh"][:] = pack.labels["irises"][:] = np.nan
        return pack

    monkeypatch.setattr(labels, "single_face_packs", lambda _: ("faces68-300w",))
    monkeypatch.setattr(labels, "open_pack", without_meshes)
    assert "faces68-300w" not in labels.check_labels(tiny_packs, face_model)
