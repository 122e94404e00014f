"""``edgeface track`` and ``edgeface demo`` on scenes whose faces are known."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.cli import demo, main, track, tracking
from edgeface.errors import InvalidInputError
from edgeface.recording import read_recording
from edgeface.retarget import character, formats
from edgeface.retarget.head import head_glb
from edgeface.retarget.options import ExportOptions
from edgeface.video import open_video, outputs
from edgeface.video.live import LiveView
from edgeface.video.outputs import Outputs
from edgeface.video.reader import Frame
from tests.fakes import Person, Scene, frame_image
from tests.personal.conftest import somebody  # noqa: F401

pytest.importorskip("av")


class StillScene(Scene):
    """A scene that needs no frame number: its people stand still."""

    def run(self, image, **options):
        return super().run(frame_image(0, image.shape[:2]), **options)


@pytest.fixture
def networks(monkeypatch, face_model):
    """One person in every frame, whatever the picture."""
    people = [Person((48, 32), side=40, seed=1)]
    made = {k: StillScene(k, face_model, people) for k in ("mfn", "sfn")}
    monkeypatch.setattr(tracking, "load", lambda name, **_: made[name])
    return made


@pytest.fixture
def clip(make_video, ramp):
    return make_video("clip.mp4", ramp * 2, sound=True)


@pytest.fixture
def reads(monkeypatch):
    """The names of recordings and characters, each as often as it is read."""
    read: list[str] = []
    for module, name in ((character, "load_character"), (track, "read_recording"),
                         (outputs, "read_recording"), (formats, "read_recording")):  # fmt: skip
        kept = getattr(module, name)

        def counting(path, kept=kept):
            read.append(Path(path).name)
            return kept(path)

        monkeypatch.setattr(module, name, counting)
    return read


@pytest.mark.parametrize("mode", ["auto", "detect", "crops"])
def test_track_writes_overlay_and_recording(networks, clip, tmp_path, capsys, mode):
    out, take = tmp_path / "overlay.mp4", tmp_path / "take.jsonl"
    command = ["track", str(clip), "--out", str(out), "--record", str(take), "--mode", mode]
    assert main([*command, "--mesh"]) == 0
    printed = capsys.readouterr()
    assert "24 frames" in printed.out
    assert "1 person" in printed.out
    assert printed.err == ""
    recording = read_recording(take)
    assert list(recording.performances) == [1]
    assert recording.num_frames == 24
    with open_video(out) as video:
        frames = list(video)
        assert video.has_sound
    assert len(frames) == 24
    assert networks["sfn"].calls == (0 if mode == "detect" else 24)


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(("suffix", "name"), [(".csv", "livelink"), (".html", "html")])
def test_track_exports_every_format(clip, tmp_path, capsys, suffix, name):
    take, once, again = (tmp_path / n for n in ("take.jsonl", f"once{suffix}", f"again{suffix}"))
    assert main(["track", str(clip), "--record", str(take)]) == 0
    assert main(["track", str(clip), "--record", str(once)]) == 0
    assert main(["track", str(take), "--record", str(again)]) == 0
    assert once.read_text() == again.read_text()
    assert main(["track", str(take), "--record", str(tmp_path / "x.data"), "--to", name]) == 0
    assert (tmp_path / "x.data").read_text() == once.read_text()
    assert not list(tmp_path.glob("*.part.jsonl"))
    assert "wrote" in capsys.readouterr().out


@pytest.mark.usefixtures("networks")
@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
@pytest.mark.parametrize("of_recording", [False, True])
def test_what_moves_of_a_character_is_not_told_amid_an_export(clip, tmp_path, capfd, of_recording):
    take, character = tmp_path / "take.jsonl", ["--character", "head"]
    if of_recording:
        assert main(["track", str(clip), "--record", str(take), *character]) == 0
        assert "mapping arkit drives" in capfd.readouterr().out
    export = ["--record", "-", "--to", "livelink", *character]
    assert main(["track", str(take if of_recording else clip), *export]) == 0
    printed = capfd.readouterr()
    assert printed.out.startswith("Timecode,")
    assert "mapping arkit drives" in printed.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
@pytest.mark.usefixtures("networks")
@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_range_goes_to_standard_output(clip, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", str(clip), "-"]) == 0
    assert json.loads(capfd.readouterr().out)["format"] == "edgeface-range"
    assert not Path("-").exists()


@pytest.mark.usefixtures("networks")
def test_calibrating_somebody_else_tells_who_is_there(clip, tmp_path, capsys):
    assert main(["calibrate", str(clip), str(tmp_path / "me.json"), "--person", "9"]) == 1
    assert "nobody has the track id 9; the ids are 1" in capsys.readouterr().err


@pytest.mark.usefixtures("networks")
def test_nothing_is_written_beside_a_pipe(clip, tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert main(["track", str(clip), "--record", str(pipe), "--to", "livelink"]) == 0
    reader.join()
    assert read[0].startswith("Timecode")
    assert {path.name for path in tmp_path.iterdir()} == {pipe.name, clip.name}


@pytest.mark.usefixtures("networks")
def test_track_names_an_absent_video(capsys):
    assert main(["track", "absent.mp4"]) == 1
    assert "no such video" in capsys.readouterr().err


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--record x.abc", "names no format"),
        ("--record x.csv --mapping vrm0", "names only"),
        ("--record x.glb --character no.glb", "no such character"),
        ("--record x.gltf --to gltf", "name it x.glb"),
        ("--record x.csv --mapping no.json", "cannot read the mapping"),
        ("--record x.csv --calibrate -1", "--calibrate must lie in"),
        ("--vmc nowhere", "HOST:PORT"),
        ("--out no/x.mp4", "cannot write"),
    ],
)
def test_track_names_what_is_wrong(clip, capsys, options, message):
    assert main(["track", str(clip), *options.split()]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("networks")
def test_a_take_is_a_folder_with_everything(clip, tmp_path, capsys, reads):
    folder = tmp_path / "take"
    assert main(["track", str(clip), "--take", str(folder)]) == 0
    made = {"overlay.mp4", "take.jsonl", "take.csv", "take.glb", "take.html"}
    assert {path.name for path in folder.iterdir()} == made
    assert capsys.readouterr().out.count("wrote ") == len(made)
    assert reads.count("take.jsonl") == 1
    assert (folder / "take.glb").read_bytes().startswith(b"glTF")
    assert main(["track", str(clip), "--take", str(folder), "--out", "x.mp4"]) == 1
    assert "leave out --out" in capsys.readouterr().err
    assert main(["track", str(folder / "take.jsonl"), "--take", str(folder)]) == 1
    assert "needs a video" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "said"), [
    (["--out", "x.mp4"], "--out needs a video"),
    (["--vmc", "127.0.0.1:39539"], "--vmc needs a video"),
    (["--mesh"], "--mesh needs a video"),
    (["--smooth", "off"], "--smooth is for tracking"),
    (["--crop-model", "fusion"], "--crop-model is for tracking"),
])  # fmt: skip
def test_what_does_nothing_to_a_recording_is_refused(option, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("take.jsonl").write_text("")
    assert main(["track", "take.jsonl", "--record", "x.csv", *option]) == 1
    assert said in capsys.readouterr().err
    if "tracking" in said:
        assert main(["calibrate", "take.jsonl", "range.json", *option]) == 1
        assert said in capsys.readouterr().err


@pytest.mark.usefixtures("networks")
def test_a_clip_moves_an_avatar_no_faster_than_it_plays(clip, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(track, "paced", lambda frames: asked.append(frames) or frames)
    take = ["--record", str(tmp_path / "take.jsonl")]
    assert main(["track", str(clip), *take]) == 0
    assert not asked
    assert main(["track", str(clip), *take, "--ifacialmocap", "127.0.0.1:49983"]) == 0
    assert len(asked) == 1


def test_a_take_is_not_written_onto_what_it_is_made_of(clip, tmp_path, capsys):
    folder = tmp_path / "take"
    folder.mkdir()
    character = folder / "take.glb"
    character.write_bytes(head_glb())
    command = ["track", str(clip), "--take", str(folder)]
    assert main([*command, "--character", str(character)]) == 1
    assert "is the input" in capsys.readouterr().err
    (folder / "take.html").mkdir()
    assert main(command) == 1
    assert "take.html: it is a folder" in capsys.readouterr().err
    assert {p.name for p in folder.iterdir()} == {"take.glb", "take.html"}


def test_a_take_shows_the_personal_model(networks, clip, tmp_path, somebody):  # noqa: F811
    with open_video(clip) as video:
        outputs = Outputs(video, networks["mfn"])
        outputs.take_to(tmp_path / "take", ExportOptions(personal=somebody), mesh=False)
        for frame in video:
            outputs.write(frame, networks["mfn"].run(frame.image).select(np.zeros(0, int)))
        with pytest.raises(InvalidInputError, match=r"nobody was seen.* kept in .*take\.jsonl"):
            outputs.close()
    with open_video(tmp_path / "take" / "overlay.mp4") as overlay:
        assert next(iter(overlay)).image.shape == (64, 2 * 96, 3)


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("option", ["--take", "--record"])
@pytest.mark.parametrize("mapping", ["vroid", "own.json"])
def test_a_mapping_that_does_not_suit_is_named_before_tracking(
    clip, tmp_path, monkeypatch, capsys, option, mapping
):
    monkeypatch.chdir(tmp_path)
    own = {"format": "edgeface-mapping", "version": [1, 0], "targets": {"jawOpenn": {"jawOpen": 1}}}
    Path("own.json").write_text(json.dumps(own))
    before = sorted(tmp_path.iterdir())
    assert main(["track", str(clip), option, "x.glb", "--mapping", mapping]) == 1
    assert "head" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("record", ["absent/x.glb", "."])
def test_an_export_that_cannot_be_written_is_named_before_tracking(clip, tmp_path, capsys, record):
    before = sorted(tmp_path.iterdir())
    command = ["track", str(clip), "--record", str(tmp_path / record), "--to", "gltf"]
    assert main(command) == 1
    assert "cannot write" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "gltf"], "--to is the format of --record"),
        (["--mesh", "--record", "x.jsonl"], "--mesh is drawn into a video"),
        (["--out", "x.mp4", "--mirror"], "--mirror is for exports and streams"),
        (["--record", "x.jsonl", "--calibrate", "2"], "--calibrate is for exports and streams"),
        (["--mode", "detect", "--crop-model", "fusion"], "--mode detect follows no crops"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    clip, tmp_path, monkeypatch, capsys, options, said
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["track", str(clip), *options]) == 1
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_track_of_nobody_is_a_recording_of_nobody(networks, clip, tmp_path, capsys):
    for network in networks.values():
        network.people.clear()
    assert main(["track", str(clip), "--record", str(tmp_path / "take.jsonl")]) == 0
    assert "0 people" in capsys.readouterr().out
    assert read_recording(tmp_path / "take.jsonl").performances == {}
    assert main(["track", str(clip), "--record", str(tmp_path / "take.csv")]) == 1
    said = capsys.readouterr().err
    assert "nobody was seen" in said
    assert "take.csv.part.jsonl" in said
    assert read_recording(tmp_path / "take.csv.part.jsonl").num_frames == 24


@pytest.mark.usefixtures("networks")
def test_a_file_that_breaks_off_keeps_what_came_before(make_video, ramp, tmp_path, capsys):
    path = make_video("long.mp4", [np.roll(i, 3 * k, 1) for k in range(8) for i in ramp])
    data = path.read_bytes()
    moov = data.find(b"moov") - 4
    half = (data.find(b"mdat") + 4 + moov) // 2
    path.write_bytes(data[:half] + bytes(moov - half) + data[moov:])
    out, take = tmp_path / "overlay.mp4", tmp_path / "take.jsonl"
    assert main(["track", str(path), "--out", str(out), "--record", str(take)]) == 1
    count = read_recording(take).num_frames
    assert f"after {count} frames" in capsys.readouterr().err
    with open_video(out) as video:
        assert len(list(video)) == count > 10


def test_a_face_that_fills_the_frame_is_tracked(networks, clip, tmp_path):
    for network in networks.values():
        network.people[:] = [Person((48, 32), side=150)]
    assert main(["track", str(clip), "--record", str(tmp_path / "t.jsonl")]) == 0
    assert len(read_recording(tmp_path / "t.jsonl").performance().frames) == 24


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_was_written(tmp_path, sign):
    """The real command, in a process of its own, on the clip that ships."""
    out, take = tmp_path / "overlay.mp4", tmp_path / "take.jsonl"
    # a shell's background jobs, and what they start, ignore SIGINT
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from edgeface.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", start, "track", "demo", "--mode", "detect"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--out", str(out), "--record", str(take)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and _num_lines(take) < 5:
        time.sleep(0.01)
    process.send_signal(sign)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == track.INTERRUPTED, errors
    assert "(stopped)" in printed
    count = read_recording(take).num_frames
    assert 4 <= count < 240
    with open_video(out) as video:
        assert len(list(video)) >= count - 1


def _num_lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_the_live_page_streams_pictures_and_faces(face_model):
    scene = StillScene("mfn", face_model, [Person((48, 32), side=40)])
    view = LiveView(scene, "a clip", 0)
    stop = threading.Event()

    def play():
        image = frame_image(0, (64, 96))
        tracked = replace(scene.run(image), track_ids=np.array([4]))
        while not stop.wait(0.02):
            view.show(Frame(0, 1.5, image), tracked)

    player = threading.Thread(target=play)
    player.start()
    try:
        with urllib.request.urlopen(view.url, timeout=10) as page:
            assert '"sources":["a clip"]' in page.read().decode()
        with urllib.request.urlopen(view.url + "faces", timeout=10) as events:
            frame = json.loads(events.readline().decode().removeprefix("data: "))
        assert frame["time_s"] == 1.5
        assert [f["id"] for f in frame["faces"]] == [4]
        assert set(frame["faces"][0]["shapes"]) <= set(ARKIT_NAMES)
        with urllib.request.urlopen(view.url + "video", timeout=10) as pictures:
            assert b"edgeface-frame" in pictures.readline()
            assert b"image/jpeg" in pictures.readline()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(view.url + "secret", timeout=10)
    finally:
        stop.set()
        player.join()
        view.close()


def test_the_demo_loops_a_clip_and_changes_to_the_camera_that_is_chosen(
    networks, make_video, ramp, monkeypatch, capsys
):
    """Two cameras, of which each is a file here, with pictures that lie otherwise."""
    upright = [np.ascontiguousarray(image.transpose(1, 0, 2)) for image in ramp]
    files = {"camera:0": make_video("0.mp4", ramp), "camera:1": make_video("1.mp4", upright)}
    monkeypatch.setattr(demo, "cameras", lambda: list(files))
    monkeypatch.setattr(demo, "open_source", lambda name: open_video(files[name]))
    shown, sources = [], []

    def show(view, frame, faces):
        shown.append(frame.image.shape[:2])
        sources[:] = view.stage.sources
        assert len(faces) == 1
        if len(shown) == 2 * len(ramp) + 3:
            view.stage.ask("source", {"name": "camera:1"})
        if shown[-1] != shown[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(LiveView, "show", show)
    assert main(["demo", "camera:0", "--port", "0", "--no-browser", "--mode", "detect"]) == 0
    assert sources == ["camera:0", "camera:1", "demo"]
    assert shown[0] == ramp[0].shape[:2]
    assert shown[-1] == shown[0][::-1]
    assert len(shown) > 2 * len(ramp)
    assert "showing camera:0 at http://127.0.0.1:" in capsys.readouterr().out


@pytest.mark.usefixtures("networks")
def test_what_an_export_is_made_of_is_read_once(clip, tmp_path, reads):
    take, made = tmp_path / "take.jsonl", tmp_path / "made.glb"
    assert main(["track", str(clip), "--record", str(take)]) == 0
    assert main(["track", str(take), "--record", str(made), "--character", "head"]) == 0
    # once for its mapping, and once to be animated
    assert sorted(reads) == ["head", "head", "take.jsonl"]


@pytest.mark.usefixtures("networks")
def test_a_recording_says_what_moves_by_all_of_its_frames(clip, tmp_path, capsys):
    take = tmp_path / "take.jsonl"
    assert main(["track", str(clip), "--record", str(take)]) == 0
    head, first, *rest = take.read_text().splitlines()
    first = json.loads(first)
    del first["faces"][0]["blendshapes"]["jawOpen"]
    take.write_text("\n".join([head, json.dumps(first), *rest]))
    capsys.readouterr()
    made = str(tmp_path / "made.glb")
    assert main(["track", str(take), "--record", made, "--character", "head"]) == 0
    assert "jawOpen" in capsys.readouterr().out.partition("drives")[2].partition("needs")[0]


@pytest.mark.usefixtures("networks")
def test_a_mapping_moves_everything_of_a_take(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    still = {"jawOpen": {"gain": 0}}
    own = {"format": "edgeface-mapping", "version": [1, 0], "sources": still}
    Path("own.json").write_text(json.dumps(own))
    assert main(["track", str(clip), "--take", "usual"]) == 0
    assert main(["track", str(clip), "--take", "take", "--mapping", "own.json"]) == 0
    jaws = {
        folder: float(Path(folder, "take.csv").read_text().splitlines()[1].split(",")[19])
        for folder in ("usual", "take")
    }
    assert jaws["usual"] > 0
    assert jaws["take"] == 0


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("outputs", [["--record", "x.glb"], ["--record", "x.jsonl"]])
@pytest.mark.parametrize("source", ["clip", "take.jsonl"])
def test_a_personal_model_that_nothing_shows_is_refused(
    clip, tmp_path, capsys, monkeypatch, somebody, outputs, source  # noqa: F811
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    somebody.save("me.efp")
    Path("take.jsonl").write_text("")
    given = str(clip) if source == "clip" else source
    assert main(["track", given, *outputs, "--personal", "me.efp"]) == 1
    assert "--personal is shown in videos and pages" in capsys.readouterr().err
    assert not Path(outputs[1]).exists()
