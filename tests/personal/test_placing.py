"""A person where a network sees a face."""

from dataclasses import replace

import numpy as np
import pytest

import edgeface
from edgeface.cli import main
from edgeface.errors import InvalidInputError
from edgeface.faces import concatenate
from edgeface.personal.placing import check_mesh, place_person
from edgeface.personal.rendering import draw_beside
from tests.fakes import Person, Scene, frame_image


@pytest.fixture(scope="module")
def scene(face_model):
    return Scene(
        "mfn", face_model, [Person((110, 120), side=90), Person((230, 120), side=80, seed=1)]
    )


def test_the_person_lies_where_the_face_is(somebody, scene, face_model):
    faces = scene.run(frame_image(0))
    placed = place_person(somebody, faces, face_model)
    assert placed.shape == (2, *somebody.neutral_vertices.shape)
    known = somebody.template.mesh_vertices >= 0
    mesh = faces.vertices(face_model)[:, known]
    own = placed[:, somebody.template.mesh_vertices[known]]
    side = np.ptp(faces.boxes_xyxy.reshape(2, 2, 2), axis=1).max(axis=1)
    off = np.linalg.norm((own - mesh)[..., :2], axis=2).mean(axis=1) / side
    assert (off < 0.06).all()


def test_the_person_moves_as_the_face_does(somebody, scene, face_model):
    faces = scene.run(frame_image(0))
    opened = faces.expression_coeffs.copy()
    opened[:, faces.expression_names.index("jawOpen")] = 0.9
    still = place_person(somebody, faces, face_model)
    moved = place_person(somebody, replace(faces, expression_coeffs=opened), face_model)
    chin = somebody.template.landmark_vertices[8]
    assert (moved[:, chin, 1] > still[:, chin, 1] + 2).all()


def test_another_mesh_is_an_error(somebody, scene, face_model):
    basis = face_model.landmark_basis()
    with pytest.raises(InvalidInputError, match="dense"):
        place_person(somebody, scene.run(frame_image(0)), basis)
    with pytest.raises(InvalidInputError, match="face model"):
        place_person(somebody, scene.run(frame_image(0)))


def test_expressions_of_other_names_are_an_error(somebody, scene, face_model):
    others = replace(face_model, expression_names=tuple(f"shape{k}" for k in range(46)))
    with pytest.raises(InvalidInputError, match=r"has others \(shape0, shape1 \.\.\.\)"):
        check_mesh(somebody, others)


def test_a_tracker_gives_the_personal_surface_of_every_face(somebody, scene):
    plain = edgeface.Tracker(scene).update(frame_image(0))
    faces = edgeface.Tracker(scene, personal=somebody).update(frame_image(0))
    assert plain.personal_vertices is None
    assert faces.personal_vertices.shape == (2, *somebody.neutral_vertices.shape)
    assert faces.select([1]).personal_vertices.shape[0] == 1
    assert concatenate([faces, plain], plain).personal_vertices is None
    beside = draw_beside(frame_image(0), faces, somebody)
    assert beside.shape == (240, 640, 3)
    skin = (beside[:, 320:] != beside[0, -1]).any(axis=2)
    assert skin[100:140, 90:130].mean() > 0.8
    assert not skin[:, :40].any()


def test_nobody_in_sight_has_no_personal_surface(somebody, face_model):
    faces = edgeface.Tracker(Scene("mfn", face_model, []), personal=somebody).update(frame_image(0))
    assert faces.personal_vertices.shape[0] == 0


def test_track_refuses_a_foreign_model(tmp_path, capsys):
    (tmp_path / "me.efp").write_bytes(b"nothing")
    assert main(["track", "demo", "--personal", str(tmp_path / "me.efp")]) == 1
    assert "is no personal model" in capsys.readouterr().err
