import numpy as np

from edgeface.reference.data.packs import expression_scores, is_validation, open_pack
from edgeface.reference.data.validation import read_packs


def test_read_packs_yields_the_unseen_split_of_every_pack(tiny_packs, face_model):
    images = list(read_packs(tiny_packs, face_model))
    counts = {g: sum(i.group == g for i in images) for g in {i.group for i in images}}
    expected = {
        "faces68-300w": "faces68-300w",
        "faces68-video": "faces68-video (teacher)",
        "faces-expressive": "faces-expressive (teacher)",
        "multiface-wider": "multiface-wider (teacher)",
        "negatives": "negatives",
    }
    seen = {
        group: is_validation(open_pack(tiny_packs, pack)).sum() for pack, group in expected.items()
    }
    video = open_pack(tiny_packs, "faces68-video")
    unseen = is_validation(video) & np.isnan(video.labels["mesh"]).any(axis=(1, 2))
    seen["faces68-video (teacher)"] -= unseen.sum()  # no mesh: nothing to trust
    assert counts == seen
    for image in images:
        assert image.complete == image.group.startswith(("multiface", "negatives"))
        assert not image.follows
        if image.group == "negatives":
            assert len(image.labels.boxes) == 0


def test_read_packs_labels_peoples_points_and_the_teachers_own_scores(tiny_packs, face_model):
    pack = open_pack(tiny_packs, "faces68-300w")
    rows = np.flatnonzero(is_validation(pack))
    scores = expression_scores(pack.labels["blendshapes52"], pack.labels["blendshape_names"])
    images = [i for i in read_packs(tiny_packs, face_model) if i.group == pack.name]
    for image, row in zip(images, rows, strict=True):
        np.testing.assert_array_equal(image.labels.landmarks[0], pack.labels["landmarks68"][row])
        if np.isfinite(pack.labels["mesh"][row]).all():
            np.testing.assert_array_equal(image.labels.expression[0], scores[row])
            assert np.isfinite(image.labels.rotation).all()
        else:  # the teacher saw no face: there is nothing to hold a network against
            assert np.isnan(image.labels.expression).all()
            assert np.isnan(image.labels.rotation).all()


def test_read_packs_keeps_boxes_of_faces_without_a_mesh(tiny_packs, face_model):
    image = next(i for i in read_packs(tiny_packs, face_model) if i.group.startswith("multi"))
    assert image.labels.boxes.shape == (2, 4)
    assert image.labels.ignore.tolist() == [False, True]
    assert np.isfinite(image.labels.landmarks).all(axis=(1, 2)).tolist() == [True, False]
