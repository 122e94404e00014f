"""Near and far faces by the default call, on networks that know where their faces are."""

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface import InvalidInputError, TooManyFacesWarning
from edgeface.model import Model
from tests.fakes import FixedBackend, metadata_of, neutral_heads


@pytest.fixture(scope="module")
def photo():
    return edgeface.read_image(edgeface.DEMO_PHOTO)


@pytest.fixture(scope="module")
def mfn():
    return edgeface.load("mfn")


def on_canvas(photo, size, *places):
    """Copies of a photo, ``(left, top, width)`` each, on a grey canvas (height, width)."""
    canvas = Image.new("RGB", size[::-1], (120, 120, 120))
    for left, top, width in places:
        height = round(width * photo.shape[0] / photo.shape[1])
        canvas.paste(Image.fromarray(photo).resize((width, height)), (left, top))
    return np.asarray(canvas)


def test_far_faces_are_found_by_default(mfn, photo):
    """The demo photo beside itself, a sixth as large: its faces have 10 to 25 pixels there."""
    image = on_canvas(photo, (800, 1500), (0, 0, 1280), (1290, 0, 210))
    once, auto, full = (mfn.run(image, detail=d) for d in ("fast", "auto", "full"))
    assert len(once) < len(auto) <= len(full)
    assert len(full) >= 8


def test_only_the_part_with_small_faces_is_looked_at_closer(mfn, photo, monkeypatch):
    """Faces in a corner of a photo that nothing else is in."""
    image = on_canvas(photo, (900, 1200), (900, 0, 300))
    inputs = []
    infer = mfn._backend.infer
    monkeypatch.setattr(mfn._backend, "infer", lambda t: inputs.append(t.shape) or infer(t))
    faces = mfn.run(image, look_again=False)
    assert len(faces) == len(mfn.run(image, look_again=False, detail="full")) == 5
    first, *closer = inputs[:3]
    assert first == (1, 288, 288, 3)
    height, width = closer[0][1:3]
    assert height * width < 0.4 * 704 * 528  # what the whole photo would take
    assert height % 32 == width % 32 == 0


def test_a_portrait_costs_one_pass_and_stays_whole(mfn, photo, monkeypatch):
    box = mfn.run(photo, detail="fast")[0].box_xyxy.round().astype(int)
    x0, y0, x1, y1 = box + np.array([-20, -40, 20, 20])
    portrait = np.asarray(Image.fromarray(photo[y0:y1, x0:x1]).resize((1400, 1900)))
    sizes = []
    infer = mfn._backend.infer
    monkeypatch.setattr(mfn._backend, "infer", lambda t: sizes.append(t.shape[1]) or infer(t))
    (face,) = mfn.run(portrait, look_again=False)
    assert sizes == [288]
    large = edgeface.load("mfn", input_size=1024)
    assert len(large.run(portrait)) == 1  # a look at 1024 px alone may lose it
    height = face.box_xyxy[3] - face.box_xyxy[1]
    assert height > 800


def test_files_of_one_size_look_at_tiles(face_model):
    """Every input shows one small face in its middle; an image of four tiles has four more."""
    metadata = metadata_of("mfn", face_model)
    heads = neutral_heads(metadata)
    grid = heads["detection"].reshape(9, 9, 2, 5)
    grid[..., 4] = -9
    grid[4, 4, 0, 4] = 2.0
    backend = FixedBackend(face_model, metadata, heads)
    model, image = Model(backend), np.zeros((500, 500, 3), np.uint8)
    counts = [len(model.run(image, detail=d, look_again=False)) for d in ("fast", "auto", "full")]
    # the hint lies in the middle, where the four tiles overlap
    assert counts == [1, 4, 4]
    assert backend.seen.shape == (1, 288, 288, 3)


@pytest.mark.parametrize(("larger", "share"), [(0.0, 1.0), (0.5, 0.7)])
def test_faces_that_the_first_look_should_have_suspected_are_doubted(face_model, larger, share):
    """Every tile of 288 px shows a face that is 6 px high in the first look, or 10 if larger."""
    metadata = metadata_of("mfn", face_model)
    heads = neutral_heads(metadata)
    grid = heads["detection"].reshape(9, 9, 2, 5)
    grid[..., 4] = -9
    grid[4, 4, 0, 2:] = larger, larger, 2.0
    model = Model(FixedBackend(face_model, metadata, heads))
    faces = model.run(np.zeros((500, 500, 3), np.uint8), look_again=False)
    np.testing.assert_allclose(faces.scores, [share / (1 + np.exp(-2.0))] * 4, rtol=1e-5)


def test_a_batch_looks_closer_as_single_images_do(mfn, photo):
    images = [on_canvas(photo, (700, 900), (0, 0, 400)), photo[:300, :300]] * 3
    for faces, image in zip(mfn.run_batch(images), images, strict=True):
        np.testing.assert_allclose(faces.scores, mfn.run(image).scores, atol=1e-4)


def test_max_faces_says_when_it_cut(mfn, photo, monkeypatch):
    every, best = mfn.run(photo), mfn.run(photo, max_faces=2)
    assert (len(best), best.truncated, every.truncated) == (2, True, False)
    monkeypatch.setattr("edgeface.run_options.MAX_FACES", 3)
    for run in (mfn.run, lambda image: mfn.run_batch([image])[0]):
        with pytest.warns(TooManyFacesWarning, match="more than 3 faces were found") as caught:
            assert len(run(photo)) == 3
        assert caught[0].filename == __file__  # it points to whoever called


def test_a_detail_that_is_none_is_refused(mfn, photo):
    with pytest.raises(InvalidInputError, match="detail must be one of auto, fast, full"):
        mfn.run(photo, detail="best")
    with pytest.raises(InvalidInputError, match="detail must be one of"):
        edgeface.load("mfn", detail=2)
    with pytest.raises(InvalidInputError, match="does not detect: it has no detail"):
        edgeface.load("sfn").run(photo, detail="full")


def test_load_remembers_how_closely_to_look(photo):
    far = on_canvas(photo, (1200, 1900), (0, 0, 400))
    once, closely = (edgeface.load("mfn", detail=d) for d in ("fast", "full"))
    assert len(once.run(far)) < len(closely.run(far))
    assert (
        len(closely.clone().run(far)) == len(closely.run(far)) == len(once.run(far, detail="full"))
    )
