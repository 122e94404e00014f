"""What is fuzzed: for each kind of file, seeds, a way to damage them, and what reads them."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import edgeface
from edgeface.face_model import FaceModel, default_face_model
from edgeface.metadata import Metadata
from tests.fuzz import headed, packages
from tests.fuzz.mutate import mutated_bytes, mutated_json, mutated_zip

ASSETS = Path(edgeface.DEMO_PHOTO).parent
PHOTO = np.asarray(Image.open(edgeface.DEMO_PHOTO).resize((160, 100)))


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes
    ----------
    suffix : of its files
    seeds : makes sound ones, in a folder for what is needed on the way
    mutate : from a seed and a generator to a damaged one
    read : takes the path of one; raises the project's errors, or returns what it makes of it
    """

    suffix: str
    seeds: Callable[[Path], list[bytes]]
    mutate: Callable[[bytes, np.random.Generator], bytes]
    read: Callable[[Path], object]


def _metadata(_):
    models = [edgeface.load(name).metadata for name in ("mfn", "sfn", "fusion")]
    return [model.to_json().encode() for model in models]


def _read_metadata(path):
    metadata = Metadata.from_json(path.read_bytes(), path.name)
    json.loads(metadata.to_json())
    assert [metadata.output_shape(name) for name in metadata.output_names]


def _face_models(_):
    whole = default_face_model()
    return [whole.to_bytes(), whole.landmark_basis().to_bytes()]


def _read_face_model(path):
    model = FaceModel.load(path)
    shape = model.landmarks(np.eye(50)[0], np.full(46, 0.5))
    assert np.isfinite(shape).all()
    return repr(model)


def _images(_):
    writers = {
        "JPEG": {"exif": _exif()}, "PNG": {"exif": _exif()}, "WEBP": {}, "GIF": {}, "BMP": {},
        "TIFF": {"compression": "tiff_lzw"}, "PPM": {}, "JPEG2000": {}, "AVIF": {},
    }  # fmt: skip
    files = []
    for name, options in writers.items():
        buffer = io.BytesIO()
        Image.fromarray(PHOTO).save(buffer, name, **options)
        files.append(buffer.getvalue())
    for mode, options in (("P", {}), ("CMYK", {"compression": "jpeg"}), ("I;16", {}), ("1", {})):
        buffer = io.BytesIO()
        picture = Image.fromarray(PHOTO).convert("L" if mode == "I;16" else mode)
        picture = (
            Image.fromarray(np.asarray(picture).astype(np.uint16)) if mode == "I;16" else picture
        )
        picture.save(buffer, "TIFF", **options)
        files.append(buffer.getvalue())
    try:
        import pillow_heif
    except ImportError:
        return files
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PHOTO)).save(buffer)
    return [*files, buffer.getvalue()]


def _exif():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "maker", 72.0
    return exif


def _read_image(path):
    pixels = edgeface.read_image(path)
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3


def _onnx(_):
    return [(ASSETS / name).read_bytes() for name in ("mfn.onnx", "sfn.onnx")]


def _exported(name):
    def make(folder):
        from tests.export import untrained, write

        path = write(name, untrained("sfn", default_face_model()), folder / f"seed.{name}")
        return [path.read_bytes()]

    return make


def _read_model(path):
    with edgeface.load(path, num_threads=1) as model:
        boxes = None if model.metadata.detects else [[10, 10, 90, 90]]
        faces = model.run(PHOTO, boxes_xyxy=boxes)
        assert np.isfinite(faces.landmarks_3d).all()
        faces.to_dict()


def _videos(folder):
    import av

    files = []
    for suffix, codec in (
        (".mp4", "mpeg4"),
        (".mkv", "mpeg4"),
        (".avi", "mjpeg"),
        (".mp4", "h264"),
    ):
        path = folder / f"seed-{codec}{suffix}"
        with av.open(path, "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for i in range(8):
                frame = av.VideoFrame.from_ndarray(np.roll(PHOTO[:48, :64], i, axis=1))
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        files.append(path.read_bytes())
    return files


def _read_video(path):
    from edgeface.video.reader import open_video

    with open_video(path) as video:
        for number, frame in enumerate(video):
            assert frame.image.dtype == np.uint8
            if number > 50:
                return


def _checkpoints(folder):
    from edgeface.reference.networks.checkpoint import save_network
    from tests.export import untrained

    save_network(untrained("sfn", default_face_model()), folder / "seed.ckpt")
    return [(folder / "seed.ckpt").read_bytes()]


def _read_checkpoint(path):
    from edgeface.reference.networks.checkpoint import load_network

    load_network(path)


def _recordings(folder):
    from edgeface.recording import RecordingWriter

    model = edgeface.load("mfn")
    tracker = edgeface.Tracker(model)
    writer = RecordingWriter(folder / "seed.jsonl", model.metadata, "demo", 30.0)
    for number in range(3):
        writer.write(number, number / 30, (800, 1280), tracker.update(edgeface.DEMO_PHOTO))
    writer.close()
    return [(folder / "seed.jsonl").read_bytes()]


def _mutated_line(data, random):
    """A line's JSON changed, or only bytes."""
    if random.random() < 0.3:
        return mutated_bytes(data, random)
    lines = data.splitlines()
    number = random.integers(len(lines))
    lines[number] = mutated_json(lines[number], random)
    return b"\n".join(lines) + b"\n"


def _read_recording(path):
    from edgeface.recording import read_recording

    recording = read_recording(path)
    if recording.performances:
        assert np.isfinite(recording.performance().expression_coeffs).all()


def _mappings(_):
    return [
        json.dumps(
            {
                "format": "edgeface-mapping",
                "version": [1, 0],
                "mirror": True,
                "head": {"gain": 0.5, "bone": "neck"},
                "sources": {"jawOpen": {"gain": 1.5, "dead_zone": 0.05}},
                "targets": {"A": {"jawOpen": 0.8, "mouthFunnel": 0.3}},
            }
        ).encode()
    ]


def _read_mapping(path):
    from edgeface.retarget.mapping import read_mapping

    assert np.isfinite(read_mapping(path).head_gain)


def _recipes(_):
    from edgeface.reference.training.recipe import FOLDER

    return [(FOLDER / f"{name}.toml").read_bytes() for name in ("mfn", "sfn", "fusion")]


def _mutated_recipe(data, random):
    """A value changed, as TOML has it; or only bytes."""
    if random.random() < 0.2:
        return mutated_bytes(data, random)
    changed = mutated_json(json.dumps(tomllib.loads(data.decode())), random)
    try:
        tree = json.loads(changed)
    except (ValueError, RecursionError):
        return changed
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in tree.items()]
    return "\n".join(lines).encode()


def _read_recipe(path):
    from edgeface.reference.training.recipe import read_recipe

    json.dumps(read_recipe(path).to_dict())


TARGETS = {
    "metadata": Target(".json", _metadata, mutated_json, _read_metadata),
    "face model": Target(".npz", _face_models, mutated_zip, _read_face_model),
    "image": Target("", _images, mutated_bytes, _read_image),
    "onnx": Target(".onnx", _onnx, mutated_bytes, _read_model),
    "tflite": Target(".tflite", _exported("tflite"), mutated_bytes, _read_model),
    "pt2": Target(".pt2", _exported("pt2"), mutated_zip, _read_model),
    "coreml": Target(".zip", packages.packages, packages.mutated_package, packages.read_package),
    "recording": Target(".jsonl", _recordings, _mutated_line, _read_recording),
    "mapping": Target(".json", _mappings, mutated_json, _read_mapping),
    "range": Target(".json", headed.ranges, mutated_json, headed.read_range),
    "personal": Target(".efp", headed.personal, headed.mutated_personal, headed.read_personal),
    "character": Target(".glb", headed.characters, headed.mutated_character, headed.read_character),
    "recipe": Target(".toml", _recipes, _mutated_recipe, _read_recipe),
    "video": Target(".mp4", _videos, mutated_bytes, _read_video),
    "checkpoint": Target(".ckpt", _checkpoints, mutated_zip, _read_checkpoint),
}
