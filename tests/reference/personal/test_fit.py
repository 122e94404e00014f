"""Fitting people whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra: edgeface[train]")

from edgeface.personal.template import default_template  # noqa: E402
from edgeface.reference.personal import losses  # noqa: E402
from edgeface.reference.personal.enrol import to_model  # noqa: E402
from edgeface.reference.personal.evaluate import MOTION_STAGES, VARIANTS  # noqa: E402
from edgeface.reference.personal.fit import Fitter  # noqa: E402
from edgeface.reference.personal.person import blendshapes  # noqa: E402
from edgeface.reference.personal.quality import report  # noqa: E402
from edgeface.reference.personal.rendered import error_mm, render_person  # noqa: E402
from edgeface.reference.personal.schedule import STAGES  # noqa: E402

SHORT = (
    replace(STAGES[0], steps=40),
    replace(STAGES[1], steps=60),
    replace(STAGES[2], steps=12),
    replace(STAGES[3], steps=12),
)


@pytest.fixture(scope="module")
def fitted():
    """A rendered person in six frames, and a short fit."""
    template = default_template()
    fitter = Fitter(template)
    truth = render_person(template, fitter.surface, 6, np.random.default_rng(3))
    return template, fitter, truth, fitter.fit(truth.frames, stages=SHORT)


def test_a_fit_comes_nearer_to_the_true_face(fitted):
    _, fitter, truth, fit = fitted
    true = blendshapes(fitter.surface, truth.person).neutral[None]
    before = error_mm(fitter.surface.neutral[None], true)
    after = error_mm(blendshapes(fitter.surface, fit.person).neutral[None], true)
    assert after < 0.85 * before


def test_a_fit_looks_like_the_pictures(fitted):
    _, fitter, truth, fit = fitted
    drawn = fitter.render(truth.frames, fit)
    mask = drawn.mask * truth.frames.valid
    off = (drawn.image - truth.frames.images).abs().mean(-1)
    assert float((off * mask).sum() / mask.sum()) < 0.03
    # and where it is drawn is where the person is
    assert float((drawn.mask & (truth.frames.regions > 0)).sum() / drawn.mask.sum()) > 0.9


def test_a_person_to_keep_is_the_fitted_one(fitted):
    template, fitter, truth, fit = fitted
    model = to_model(template, fitter, truth.frames, fit, {})
    weights = fit.expression[:1]
    expected = blendshapes(fitter.surface, fit.person).posed(weights)[0]
    np.testing.assert_allclose(model.shape(weights[0].numpy()), expected, atol=1e-4)
    assert model.report["frames"] == 6
    assert len(model.to_bytes()) < 2_000_000


def test_of_somebody_known_only_the_motion_is_fitted(fitted):
    _, fitter, truth, fit = fitted
    stages = tuple(replace(stage, steps=3) for stage in MOTION_STAGES)
    again = fitter.fit(truth.frames[:2], person=fit.person, stages=stages)
    for name, tensor in fit.person.tensors().items():
        torch.testing.assert_close(again.person.tensors()[name], tensor)
    assert not torch.equal(again.expression, truth.frames.expression[:2])


def test_variants_leave_corrections_out():
    plain = VARIANTS["modes, static skin"].stages[-1].unknowns
    assert {"skin", "identity", "light"} <= set(plain)
    assert not {"neutral", "shapes", "dynamic_skin"} & set(plain)


def test_gradient_form_is_that_of_deformation_gradients(random):
    """Eq. 7 by its definition: sides of b's triangles as a linear map of those of a's."""
    neutral = random.normal(size=(7, 3)).astype(np.float32)
    triangles = np.array([[0, 1, 2], [2, 1, 3], [3, 4, 5], [5, 6, 0]])
    offset = random.normal(size=(7, 3)).astype(np.float32)
    total = 0.0
    for t in triangles:
        a = neutral[t].astype(float)
        sides = np.stack([a[1] - a[0], a[2] - a[0]], axis=1)
        moved = a + offset[t]
        after = np.stack([moved[1] - moved[0], moved[2] - moved[0]], axis=1)
        total += np.square((after - sides) @ np.linalg.pinv(sides)).sum()
    form = losses.gradient_form(neutral, triangles)
    value = losses.quadratic_form(form, torch.from_numpy(offset))
    assert float(value) == pytest.approx(total / len(triangles), rel=1e-4)


def test_smoothness_form_sums_squared_differences_over_edges(random):
    triangles = np.array([[0, 1, 2], [2, 1, 3]])
    offset = random.normal(size=(4, 3)).astype(np.float32)
    edges = [(0, 1), (1, 2), (0, 2), (1, 3), (2, 3)]
    total = 2 * sum(np.square(offset[a] - offset[b]).sum() for a, b in edges) / 4
    value = losses.quadratic_form(losses.smoothness_form(triangles, 4), torch.from_numpy(offset))
    assert float(value) == pytest.approx(total, rel=1e-5)


def seen_through(frames, change):
    """The frames with other pictures."""
    images = frames.images.clone()
    change(images)
    return replace(frames, images=images)


@pytest.mark.parametrize(
    ("spoil", "warning"),
    [
        (lambda f, fit: (seen_through(f, lambda i: i.copy_(i.mean(-1, keepdim=True))), fit),
         "are grey"),
        (lambda f, fit: (seen_through(f, lambda i: i[:2, 60:].fill_(1.0)), fit),
         "covers the face in 2 of 6 frames"),
        (lambda f, fit: (f, replace(fit, light=fit.light * 0.3 + 1.5 * side_light(6))),
         "strong shadows"),
        (lambda f, fit: (replace(f, rotation=torch.eye(3).expand(6, 3, 3)), fit), "hardly turns"),
        (lambda f, fit: (f, replace(fit, expression=fit.expression * 0)), "hardly any expression"),
    ],
)  # fmt: skip
def test_what_spoils_a_person_is_told(fitted, spoil, warning):
    template, fitter, truth, fit = fitted
    assert not any(
        warning in w for w in report(template, fitter, truth.frames, fit, {})["warnings"]
    )
    told = report(template, fitter, *spoil(truth.frames, fit), {})["warnings"]
    assert any(warning in w for w in told), told


def side_light(count):
    light = torch.zeros(count, 9, 3)
    light[:, 3] = 1.0
    return light


def test_corrections_never_make_a_monster(fitted):
    template, fitter, truth, fit = fitted
    wild = replace(fit.person, shapes=fit.person.shapes + 5.0, neutral=fit.person.neutral - 3.0)
    model = to_model(template, fitter, truth.frames, replace(fit, person=wild), {})
    moved = np.linalg.norm(model.neutral_vertices - template.neutral, axis=1)
    assert moved.max() < 0.6
    assert np.linalg.norm(model.offsets - template.expression, axis=2).max() < 0.1201
