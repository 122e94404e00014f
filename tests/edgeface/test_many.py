"""Many images: the same faces as one by one, in turn, with bounded memory, whatever fails."""

import io
import threading

import numpy as np
import pytest
from PIL import Image, ImageSequence

import edgeface
from edgeface import InvalidInputError
from edgeface.ahead import read_ahead

PHOTO = edgeface.read_image(edgeface.DEMO_PHOTO)


@pytest.fixture(scope="module")
def model():
    return edgeface.load("mfn")


@pytest.fixture(scope="module")
def images():
    return [PHOTO, np.zeros((64, 48, 3), np.uint8), PHOTO[:, ::-1], PHOTO[80:320, 200:420]]


def same(found, expected):
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.landmarks_3d, expected.landmarks_3d, atol=1e-3)
    assert found.image_size == expected.image_size


@pytest.mark.parametrize("options", [{}, {"detail": "fast", "max_faces": 2, "look_again": False}])
def test_a_batch_finds_what_single_runs_find(model, images, options):
    single = [model.run(image, **options) for image in images]
    for several in (model.run_batch(images, **options), model.run_many(images, **options)):
        for found, expected in zip(several, single, strict=True):
            same(found, expected)


def test_run_many_takes_what_run_takes(model, tmp_path):
    def mixed():
        yield edgeface.DEMO_PHOTO
        yield str(edgeface.DEMO_PHOTO)
        yield edgeface.DEMO_PHOTO.read_bytes()
        yield PHOTO

    expected = model.run(PHOTO)
    found = [*model.run_many(mixed())]
    assert len(found) == 4
    for faces in found:
        same(faces, expected)
    swapped = [PHOTO[:, :, ::-1], edgeface.DEMO_PHOTO]
    for faces in model.run_many(swapped, color="bgr", keep_image=True):
        same(faces, expected)
        np.testing.assert_array_equal(faces.image, PHOTO)


def test_an_error_is_raised_or_stands_in_its_place(model, tmp_path):
    images = [PHOTO, tmp_path / "absent.jpg", PHOTO[:, ::-1]]
    first, error, last = model.run_many(images, return_exceptions=True)
    assert isinstance(error, InvalidInputError)
    assert (len(first), len(last)) == (5, 5)
    several = model.run_many(images)
    assert len(next(several)) == 5
    with pytest.raises(InvalidInputError, match="no such image"):
        next(several)


def test_a_network_of_crops_looks_at_each_as_a_face():
    sfn = edgeface.load("sfn")
    assert [len(faces) for faces in sfn.run_many([PHOTO[80:320, 200:420]] * 2)] == [1, 1]
    with pytest.raises(InvalidInputError, match=r"run_batch is for an mfn.*boxes_xyxy"):
        sfn.run_batch([PHOTO])


def test_progress_is_one_line(model, capsys):
    list(model.run_many([PHOTO], progress=True))
    assert capsys.readouterr().err == ""  # no terminal


@pytest.mark.parametrize("junk", [None, 3, PHOTO.dtype])
def test_what_gives_no_images(model, junk):
    with pytest.raises(InvalidInputError):
        model.run_many(junk)


@pytest.mark.parametrize("option", [{"ahead": 0}, {"progress": 1}, {"return_exceptions": None}])
def test_options_that_are_none(model, option):
    with pytest.raises(InvalidInputError, match=next(iter(option))):
        model.run_many([PHOTO], **option)


def test_reading_runs_a_few_images_ahead_and_no_more():
    begun, ready = [], threading.Event()

    def read(number):
        if number == 3:
            ready.set()
        return np.full((1, 1, 3), number, np.uint8)

    def numbers():
        for number in range(10):
            begun.append(number)
            yield number

    reading = read_ahead(numbers(), read, depth=3)
    number, pixels = next(reading)
    assert (number, pixels[0, 0, 0]) == (0, 0)
    assert ready.wait(5)
    assert begun == [0, 1, 2, 3]
    assert [number for number, _ in reading] == [*range(1, 10)]


def test_reading_ends_with_who_asks():
    threads = threading.active_count()
    reading = read_ahead(range(100), lambda _: np.zeros((1, 1, 3), np.uint8), depth=8)
    next(reading)
    reading.close()
    assert threading.active_count() == threads


def test_who_stops_does_not_wait_for_what_never_comes():
    come = threading.Event()
    late = threading.Timer(20, come.set)  # never would be too long for a test that fails

    def read(number):
        return np.zeros((1, 1, 3), np.uint8) if number == 0 or come.wait() else None

    reading = read_ahead([0, 1], read, depth=2)
    next(reading)
    late.start()
    reading.close()
    assert not come.is_set()
    late.cancel()
    come.set()


def refilled_array():
    frame = np.zeros((64, 64, 3), np.uint8)
    for value in range(8):
        frame[:] = value
        yield frame


def refilled_file():
    file = io.BytesIO()
    for frame in refilled_array():
        file.seek(0)
        Image.fromarray(frame).save(file, "PNG")
        file.seek(0)
        yield file


def animation():
    frames = [Image.fromarray(frame.copy()) for frame in refilled_array()]
    file = io.BytesIO()
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:])
    return ImageSequence.Iterator(Image.open(file))


@pytest.mark.parametrize("images", [refilled_array, refilled_file, animation])
def test_what_is_filled_anew_for_each_image_is_read_before(images, model, monkeypatch):
    seen = []
    monkeypatch.setattr(model, "run", lambda pixels, **_: seen.append(pixels[0, 0, 0]))
    list(model.run_many(images(), color="rgb"))
    assert seen == [*range(8)]


@pytest.mark.parametrize("kind", [np.array, lambda names: np.array(names, object)])
def test_an_array_of_names_is_many_images(model, kind):
    names = kind([str(edgeface.DEMO_PHOTO)] * 2)
    assert [len(faces) for faces in model.run_many(names)] == [5, 5]


@pytest.mark.parametrize(
    "one",
    [str(edgeface.DEMO_PHOTO), b"\xff\xd8\xff", PHOTO, PHOTO[:, :, 0], io.BytesIO(b"\xff\xd8\xff")],
    ids=["name", "bytes", "array", "grey array", "file"],
)
def test_one_image_is_not_taken_for_many(model, one):
    with pytest.raises(InvalidInputError, match="a single one: use run"):
        model.run_many(one)


@pytest.mark.parametrize("name", ["keep_image", "boxes_xyxy", "treshold"])
def test_a_batch_names_options_that_it_does_not_have(model, name):
    with pytest.raises(InvalidInputError, match="an option of run_batch must be one of"):
        model.run_batch([PHOTO], **{name: True})
