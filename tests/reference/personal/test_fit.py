"""Fitting people whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra: edgeface[train]")

from edgeface.personal.model import PersonalModel, sample_maps  # noqa: E402
from edgeface.personal.template import REGIONS, default_template  # noqa: E402
from edgeface.reference.personal import losses, shadow  # noqa: E402
from edgeface.reference.personal.enrol import to_keep, to_model  # noqa: E402
from edgeface.reference.personal.evaluate import VARIANTS  # noqa: E402
from edgeface.reference.personal.fit import Fitter  # noqa: E402
from edgeface.reference.personal.person import Person, Surface, blendshapes  # noqa: E402
from edgeface.reference.personal.quality import report  # noqa: E402
from edgeface.reference.personal.render import loops, sample  # noqa: E402
from edgeface.reference.personal.rendered import error_mm, render_person  # noqa: E402
from edgeface.reference.personal.schedule import MOTION_STAGES, STAGES  # noqa: E402
from edgeface.reference.personal.skin import DYNAMIC_RIDGE, dynamic_skin  # noqa: E402
from edgeface.reference.personal.template import uv_regions  # noqa: E402

GREEN = torch.tensor([0.1, 0.9, 0.2])
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


def test_parts_of_the_face_lie_alike_on_both_sides(fitted):
    """Their middle is that of the map, in which the template's left is its mirrored right."""
    regions = fitted[1].surface.regions.numpy()
    for part, name in enumerate(REGIONS[1:], start=1):
        columns = np.nonzero(regions == part)[1] + 0.5
        assert columns.mean() == pytest.approx(64, abs=0.1), name


def test_a_surface_is_made_without_threads(monkeypatch, fitted):
    """Those of numba end a process that is forked afterwards, as a worker of training is."""
    template, fitter, *_ = fitted
    monkeypatch.setattr(loops, "rasterise", None)
    assert torch.equal(Surface(template).regions, fitter.surface.regions)
    monkeypatch.undo()
    drawn = uv_regions(template.triangles, template.uv, template.mesh_vertices)
    np.testing.assert_array_equal(fitter.surface.regions, drawn)


def test_no_part_of_the_face_is_drawn_around_another(fitted):
    frames = fitted[2].frames
    for regions, points in zip(frames.regions, frames.landmarks, strict=True):
        rows = torch.nonzero(regions == REGIONS.index("brows"))[:, 0]
        assert len(rows) > 30
        assert rows.max() < points[48:, 1].min()  # not around the lips


def test_a_person_to_keep_is_the_fitted_one(fitted):
    template, fitter, truth, fit = fitted
    model = to_model(template, fitter, truth.frames, fit, {})
    seen = torch.tensor([name not in model.unseen for name in template.expression_names])
    weights = fit.expression[:1] * seen
    expected = blendshapes(fitter.surface, fit.person).posed(weights)[0]
    np.testing.assert_allclose(model.shape(weights[0].numpy()), expected, atol=1e-4)
    assert model.report["frames"] == 6
    assert len(model.to_bytes()) < 2_000_000


def test_shapes_that_are_not_seen_are_the_templates(fitted):
    template, fitter, truth, fit = fitted
    model = to_model(template, fitter, truth.frames, fit, {})
    rows = [template.expression_names.index(name) for name in model.unseen]
    assert 5 < len(rows) < 50
    np.testing.assert_array_equal(model.offsets[rows], template.expression[rows])
    assert not model.dynamic_skin[rows].any()


def test_of_somebody_known_only_the_motion_is_fitted(fitted):
    _, fitter, truth, fit = fitted
    stages = tuple(replace(stage, steps=3) for stage in MOTION_STAGES)
    again = fitter.fit(truth.frames[:2], person=fit.person, stages=stages)
    for name, tensor in fit.person.tensors().items():
        torch.testing.assert_close(again.person.tensors()[name], tensor)
    assert not torch.equal(again.expression, truth.frames.expression[:2])


def test_dynamic_skin_is_the_least_squares_solution(random):
    """Against numpy's solution of the normal equations, a texel and colour at a time."""
    frames, shapes, side = 4, 6, 2
    residual = random.normal(size=(frames, side, side, 3))
    certainty = random.uniform(size=(frames, side, side, 3))
    certainty[0, 0, 0] = 0  # a texel that a frame does not show
    expression = random.uniform(size=(frames, shapes))
    attention = random.uniform(size=(shapes, side, side))
    given = (torch.from_numpy(a).float() for a in (residual, certainty, expression, attention))
    maps = dynamic_skin(*given).numpy()
    for y, x, colour in np.ndindex(side, side, 3):
        rows = expression * attention[:, y, x]
        sure = certainty[:, y, x, colour]
        matrix = (rows.T * sure) @ rows + DYNAMIC_RIDGE * np.eye(shapes)
        expected = np.linalg.solve(matrix, rows.T @ (sure * residual[:, y, x, colour]))
        np.testing.assert_allclose(maps[:, colour, y, x], expected, atol=1e-3)


def test_a_skin_that_is_read_is_that_of_the_frames(fitted):
    _, fitter, truth, fit = fitted
    kept = replace(fit.person, skin=0 * fit.person.skin, dynamic_skin=0 * fit.person.dynamic_skin)
    read = fitter.read(truth.frames, kept)
    assert torch.equal(read.person.neutral, kept.neutral)
    for after, before in ((read, replace(read, person=kept)), (read, _with_static_skin(read))):
        assert _off(fitter, truth, after) < 0.9 * _off(fitter, truth, before)


def _with_static_skin(fit):
    return replace(fit, person=replace(fit.person, dynamic_skin=0 * fit.person.dynamic_skin))


def _off(fitter, truth, fit):
    drawn = fitter.render(truth.frames, fit)
    mask = (drawn.mask * truth.frames.valid).bool()
    return float((drawn.image - truth.frames.images).abs().mean(-1)[mask].mean())


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


def test_points_alone_move_as_the_surface_does(random):
    surface = Surface(default_template())
    points = surface.points()
    person = Person.of_template(surface)
    person.neutral = torch.from_numpy(random.normal(size=person.neutral.shape)).float()
    person.identity = torch.from_numpy(random.normal(size=50)).float()
    weights = torch.from_numpy(random.random((2, surface.num_shapes))).float()
    whole = blendshapes(surface, person).posed(weights)
    part = blendshapes(points, person).posed(weights)
    known = surface.mesh >= 0
    assert part.shape[1] < 0.1 * whole.shape[1]
    torch.testing.assert_close(part[:, points.landmarks], whole[:, surface.landmarks])
    torch.testing.assert_close(part[:, points.mesh[known]], whole[:, surface.mesh[known]])


def test_surface_samples_maps_as_the_runtime_does(random):
    template = default_template()
    maps = random.normal(size=(1, 3, 64, 64)).astype(np.float32)
    sampled = Surface(template).at_vertices(torch.from_numpy(maps[0]))
    np.testing.assert_allclose(sampled, sample_maps(maps, template.uv)[0], atol=1e-5)


def test_parsing_loss_pulls_a_part_to_its_label():
    """Eq. 5 of a square part that is drawn two pixels off: downhill is towards the label."""
    regions = torch.ones(1, 40, 40, dtype=torch.uint8)
    regions[:, 12:28, 14:26] = 2
    regions[:, :4] = 0  # an edge to nothing pulls nowhere
    map_ = losses.soft_parts(regions, 3, 1)
    labels, mask = map_.permute(0, 2, 3, 1), torch.ones(1, 40, 40)
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    centres = (torch.stack([columns, rows], dim=-1)[None] + 0.5) / 40

    def loss(shift):
        return losses.parsing_loss(labels, sample(map_, centres - shift), mask)

    shift = torch.tensor([2.0 / 40, 0.0], requires_grad=True)
    value = loss(shift)
    value.backward()
    value = value.detach()
    assert float(loss(torch.zeros(2))) < 1e-5 < float(value)
    assert float(shift.grad[0]) > 0.1
    assert abs(float(shift.grad[1])) < 0.01 * float(shift.grad[0])
    # by its definition: the mean over pixels of the difference's length
    off = (labels - sample(map_, centres - shift.detach()))[0].numpy()
    assert float(value) == pytest.approx(np.linalg.norm(off, axis=-1).mean(), rel=1e-3)


def test_what_covers_the_face_is_left_out(fitted):
    """A green hand in front of the cheek of two frames of six does not become part of the skin."""
    _, fitter, truth, fit = fitted
    covered = seen_through(
        truth.frames, lambda i: i[:2, 60:80, 62:82].copy_(GREEN.expand(20, 20, 3))
    )
    spoilt = fitter.fit(covered, stages=(*SHORT[:2], replace(SHORT[3], steps=1)))
    skin = (fitter.surface.albedo + spoilt.person.skin).permute(1, 2, 0)
    clean = (fitter.surface.albedo + fit.person.skin).permute(1, 2, 0)
    greener = (skin - clean)[..., 1] - (skin - clean)[..., 0]
    assert float((greener[40:100, 30:98] > 0.15).float().mean()) < 0.005


def test_a_hard_shadow_is_light_and_bends_no_face(fitted, monkeypatch):
    """Half of the face is dark in two frames of six: they alone have a shadow, which helps."""
    _, fitter, truth, fit = fitted
    assert not fit.shadow.any()
    dark = seen_through(truth.frames, lambda i: i[:2, :, :56].mul_(0.3))
    found = fitter.fit(dark, stages=SHORT)
    assert found.shadow.flatten(1).any(1).tolist() == [True, True, False, False, False, False]
    monkeypatch.setattr(shadow, "LEAST_SHADOW", 10.0)
    without = fitter.fit(dark, stages=SHORT)
    assert picture_error(fitter, dark, found) < 0.6 * picture_error(fitter, dark, without)
    off = [
        error_mm(blendshapes(fitter.surface, f.person).posed(f.expression), truth.vertices)
        for f in (found, without)
    ]
    assert off[0] < 0.95 * off[1]


def picture_error(fitter, frames, fit):
    drawn = fitter.render(frames, fit)
    mask = (drawn.mask * frames.valid).bool()
    return float((drawn.image - frames.images).abs().mean(-1)[mask].mean())


@pytest.mark.parametrize("tone", [0.3, 0.7, 1.05])
def test_dark_skin_is_not_taken_for_dark_light(fitted, tone):
    """The person's own tone stays theirs: a skin under a white light comes out as it is."""
    _, fitter, truth, _ = fitted
    dark = seen_through(truth.frames, lambda i: i.mul_(tone))
    found = fitter.fit(dark, stages=(*SHORT[:2], replace(SHORT[3], steps=1)))
    surface, true = fitter.surface, truth.person.skin
    shown = (surface.albedo + found.person.skin)[:, 40:100, 30:98].mean((1, 2))
    expected = tone * (surface.albedo + true).clamp(0, 1)[:, 40:100, 30:98].mean((1, 2))
    assert float((shown / expected - 1).abs().max()) < 0.25


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


def test_a_shape_that_is_kept_stays_nearest_to_its_own(fitted, random):
    """Also in the file, whose corrections are rounded."""
    template, fitter, truth, fit = fitted
    wild = torch.from_numpy(random.normal(0, 0.1, fit.person.shapes.shape)).float()
    wild = torch.nn.functional.avg_pool2d(wild, 9, 1, 4)
    wild[0] += 0.05
    person = replace(fit.person, shapes=wild * (0.12 / wild.abs().max()))
    seen = replace(fit, person=person, expression=torch.ones_like(fit.expression))

    def own_nearest(offsets):
        flat, own = offsets.reshape(55, -1), template.expression.reshape(55, -1)
        apart = np.square(flat[:, None] - own).sum(axis=2)
        return apart.argmin(axis=1) == np.arange(55)

    assert not own_nearest(blendshapes(fitter.surface, person).offsets.numpy()).all()
    model = to_model(template, fitter, truth.frames, seen, {})
    assert own_nearest(PersonalModel.from_bytes(model.to_bytes()).offsets).all()
    # and what was near enough is as it was
    kept = to_keep(template, fitter, replace(seen, person=fit.person))
    corrections = blendshapes(fitter.surface, fit.person).offsets.numpy()
    assert own_nearest(corrections).mean() > 0.9
    same = (kept.shapes == fit.person.shapes).flatten(1).all(1).numpy()
    assert same.mean() > 0.8
