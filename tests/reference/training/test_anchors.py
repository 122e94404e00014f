import numpy as np
import pytest

from edgeface.errors import InvalidInputError
from edgeface.reference.training.anchors import k_means


def test_k_means_finds_planted_shapes(random):
    shapes = np.array([[7.0, 9.0], [19, 25], [60, 40], [64, 120]])
    boxes = np.repeat(shapes, 50, axis=0) * random.uniform(0.95, 1.05, (200, 2))
    best = min(
        (k_means(boxes, 4, seed) for seed in range(8)), key=lambda c: np.abs(c - shapes).max()
    )
    np.testing.assert_allclose(best, shapes, rtol=0.02)


def test_a_centre_is_where_no_box_is_nearer_to_another(random):
    boxes = np.exp(random.uniform(np.log(5), np.log(200), (300, 2)))
    centres = k_means(boxes, 5)
    assert (np.diff(centres.prod(axis=1)) > 0).all()

    def iou(box, centre):
        shared = min(box[0], centre[0]) * min(box[1], centre[1])
        return shared / (box[0] * box[1] + centre[0] * centre[1] - shared)

    nearest = np.array([max(range(5), key=lambda i: iou(box, centres[i])) for box in boxes])
    for i in range(5):
        np.testing.assert_allclose(boxes[nearest == i].mean(axis=0), centres[i], rtol=1e-6)


def test_more_anchors_than_boxes_is_an_error():
    with pytest.raises(InvalidInputError, match="as many boxes"):
        k_means(np.ones((3, 2)), 5)
