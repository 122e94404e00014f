"""Faces as tables and as other libraries have them: every column, and what is missing."""

import csv
import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgeface import ARKIT_NAMES, BackendUnavailableError, InvalidInputError, tables
from tests.edgeface.test_faces import some_faces

UNSEEN = {"cheekPuff", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
          "tongueOut", *tables.GAZE}  # fmt: skip


@pytest.fixture
def tracked():
    faces = some_faces(3)
    return replace(faces, track_ids=np.array([4, 2, 9]), velocities=np.ones((3, 2), np.float32))


def test_pandas_has_a_column_an_expression(tracked):
    pytest.importorskip("pandas", reason="needs the extra: edgeface[tables]")
    table = tracked.to_pandas()
    assert tuple(table.columns) == ("track_id", *tables.NUMBERS)
    assert tuple(some_faces(0).to_pandas().columns) == tables.NUMBERS
    assert table["track_id"].tolist() == [4, 2, 9]
    assert table[["x0", "y1"]].to_numpy().tolist() == [[10, 70], [11, 71], [12, 72]]
    missing = table.columns[table.isna().all()]
    assert set(missing) == UNSEEN
    assert not table.drop(columns=missing).isna().to_numpy().any()
    for name, value in tracked[1].blendshapes.items():
        assert table[name][1] == pytest.approx(value)


def test_arrow_has_the_arrays_too_and_parquet_keeps_them(tracked, tmp_path):
    pytest.importorskip("pyarrow", reason="needs the extra: edgeface[tables]")
    import pyarrow.parquet

    tracked.save(tmp_path / "faces.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "faces.parquet")
    assert table.equals(tracked.to_arrow())
    landmarks = table["landmarks_3d"].combine_chunks().flatten().to_numpy().reshape(-1, 68, 3)
    np.testing.assert_array_equal(landmarks, tracked.landmarks_3d)
    assert {n for n in table.column_names if table[n].null_count} == UNSEEN
    assert some_faces(0).to_arrow().num_rows == 0


def test_a_table_keeps_its_values_when_the_faces_change():
    pytest.importorskip("pyarrow", reason="needs the extra: edgeface[tables]")
    faces = some_faces(2)
    table = faces.to_arrow()
    faces.scores[:], faces.landmarks_3d[:] = 0, 0
    assert table["score"][0].as_py() == 1
    assert table["landmarks_3d"][0][0].as_py() == 30


def test_csv_leaves_empty_what_is_not_seen(tracked, tmp_path):
    tracked.save(tmp_path / "faces.CSV")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "faces.CSV").read_text())))
    assert {name for name, value in rows[0].items() if value == ""} == UNSEEN
    assert [float(row["score"]) for row in rows] == pytest.approx(tracked.scores.tolist())
    assert set(ARKIT_NAMES) < set(rows[0])


def test_json_files_are_what_to_dict_gives(tracked, tmp_path):
    tracked.save(tmp_path / "faces.json")
    tracked.save(tmp_path / "faces.jsonl")
    assert json.loads((tmp_path / "faces.json").read_text()) == tracked.to_dict()
    lines = (tmp_path / "faces.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == tracked.to_dict()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_json_holds_no_number_that_is_not_finite(tracked, value):
    faces = replace(tracked, euler_deg=np.full((len(tracked), 3), value, np.float32))
    with pytest.raises(InvalidInputError, match="JSON holds finite numbers alone"):
        faces.to_json()


@pytest.mark.parametrize("name", ["faces.png", "faces.jpg", "faces.webp"])
def test_pictures_are_saved_with_the_faces_drawn(tracked, noise, tmp_path, name):
    with pytest.raises(InvalidInputError, match="keep_image=True"):
        tracked.save(tmp_path / name)
    tracked.keeping(noise, noise).save(tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert picture.size == (200, 120)


@pytest.mark.parametrize("name", ["faces", "faces.txt", "faces.gif", None])
def test_other_suffixes_are_refused(tracked, tmp_path, name):
    with pytest.raises(InvalidInputError, match=r"saved as \.png|must be a path"):
        tracked.save(name and tmp_path / name)


def test_boxes_are_clipped_on_demand(tracked, noise):
    with pytest.raises(InvalidInputError, match="image_size"):
        tracked.to_dict(clip=True)
    known = replace(tracked, boxes_xyxy=np.float32([[-5, 3, 999, 80]] * 3)).of_image(noise)
    assert known.to_dict(clip=True)[0]["box_xyxy"] == [0, 3, 200, 80]
    assert known.to_dict()[0]["box_xyxy"] == [-5, 3, 999, 80]
    assert tables.numbers_of(known, clip=True)["x1"].tolist() == [200] * 3
    assert known.clipped_boxes_xyxy.dtype == np.float32


@pytest.mark.parametrize("method", ["to_dict", "to_json", "to_pandas", "to_arrow"])
def test_clip_is_true_or_false(tracked, method):
    with pytest.raises(InvalidInputError, match="clip must be true or false, got 'no'"):
        getattr(tracked, method)(clip="no")


@pytest.mark.filterwarnings("ignore:OpenCV")
def test_supervision_gets_detections(tracked):
    supervision = pytest.importorskip("supervision", reason="needs edgeface[supervision]")
    found = tracked.to_supervision()
    assert isinstance(found, supervision.Detections)
    np.testing.assert_array_equal(found.xyxy, tracked.boxes_xyxy)
    best = found[found.confidence > 0.85]
    assert best.tracker_id.tolist() == [4, 2]
    assert best.data["landmarks_2d"].shape == (2, 68, 2)
    assert set(best.data["class_name"]) == {"face"}
    assert len(some_faces(0).to_supervision()) == 0


@pytest.mark.parametrize(
    ("module", "method", "extra"),
    [("pandas", "to_pandas", "tables"), ("pyarrow", "to_arrow", "tables"),
     ("supervision", "to_supervision", "supervision")],
)  # fmt: skip
def test_a_missing_library_is_named(monkeypatch, tracked, module, method, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BackendUnavailableError, match=rf"need {module}: .*edgeface\[{extra}\]"):
        getattr(tracked, method)()


def test_nobody_is_a_table_without_rows_whatever_network_looked(tmp_path):
    """Also of faces with all that networks may tell, none of which a mask picks."""
    some = replace(
        some_faces(2),
        gaze_deg=np.zeros((2, 2, 2), np.float32),
        correction_coeffs=np.zeros((2, 60), np.float32),
        track_ids=np.array([1, 2]),
        velocities=np.zeros((2, 2), np.float32),
    )
    nobody = some[np.zeros(2, bool)]
    assert nobody.to_dict() == []
    assert nobody.arkit_coeffs.shape == (0, 52)
    assert nobody.iris_centres.shape == (0, 2, 2)
    assert repr(nobody) == "Faces(N=0)"
    blank = np.zeros((20, 30, 3), np.uint8)
    np.testing.assert_array_equal(nobody.draw(blank), blank)
    assert tables.csv_of(tables.numbers_of(nobody)).count("\n") == 1
    for library, table in (("pandas", nobody.to_pandas), ("pyarrow", nobody.to_arrow),
                           ("supervision", nobody.to_supervision)):  # fmt: skip
        pytest.importorskip(library, reason="needs the extras: edgeface[tables,supervision]")
        assert len(table()) == 0


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\n", "\r", 'a",b'])
def test_csv_keeps_any_name(name):
    columns = {"image": np.array([name], object), "face": np.array([0])}
    text = tables.csv_of(columns)
    assert [*csv.reader(io.StringIO(text, newline=""))] == [["image", "face"], [name, "0"]]
    assert text.startswith("image,face\n")
