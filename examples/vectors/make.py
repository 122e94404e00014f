"""Write the test vectors of ``docs/reference/model-format.md`` from the photo that ships.

    python examples/vectors/make.py

Run it again whenever the weights in the package change. ``mfn.json``: for every candidate over a
threshold the raw outputs, and for every face that suppression leaves what a reader of the file must
get from them. ``sfn.json``: the same for the crop of one face.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

import edgeface
from edgeface.image import crop, letterbox, read_image

FEWEST, MOST = 12, 24
"""Candidates in the vectors, so that suppression has something to do whatever the weights."""
FACE_KEYS = (
    "box_xyxy",
    "score",
    "landmarks_3d",
    "euler_deg",
    "rotation",
    "identity_coeffs",
    "expression_coeffs",
    "translation",
    "focal",
    "gaze_deg",
    "iris_centres",
)


def main() -> None:
    """Parse the command line and write the input and the vectors of each network."""
    here = Path(__file__).parent
    assets = Path(edgeface.__file__).parent / "assets"
    parser = argparse.ArgumentParser(description="write test vectors for the model format")
    parser.add_argument("--model", type=Path, help="by default the mfn and the sfn that ship")
    parser.add_argument("--out", type=Path, default=here, metavar="DIR")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    shipped = [assets / "mfn.onnx", assets / "sfn.onnx"]
    for path in [arguments.model] if arguments.model else shipped:
        write_vectors(path, arguments.out)


def write_vectors(path: Path, out: Path) -> None:
    """Write the input and the vectors of the network at ``path`` into the folder ``out``."""
    model = edgeface.load(path)
    write = {"mfn": _write_mfn, "sfn": _write_sfn}.get(model.metadata.kind)
    if write is None:
        raise SystemExit(f"there are no vectors of a {model.metadata.kind}, which {path} is")
    write(model, path, out)


def _write_mfn(model: edgeface.Model, path: Path, out: Path) -> None:
    """``input.png`` and ``mfn.json``."""
    photo = read_image(edgeface.DEMO_PHOTO)
    input_tensor, placement = letterbox(photo, model.metadata.input_size)
    outputs = _infer(path, input_tensor)
    values = {
        name: output.reshape(*output.shape[:2], len(model.metadata.anchors), -1)
        for name, output in outputs.items()
    }
    logit = _threshold(values["detection"][..., 4])
    score_threshold = 1.0 / (1.0 + np.exp(-logit))
    # the input is its own letterbox, so these faces are in input_px
    faces = model.run(
        input_tensor, score_threshold=float(score_threshold), look_again=False, detail="fast"
    )
    vectors = _about(model, path, "input.png", input_tensor) | {
        "photo": {
            "file": edgeface.DEMO_PHOTO.name,
            "size": list(photo.shape[:2]),
            "scale": placement.scale.tolist(),
            "offset": placement.offset.tolist(),
        },
        "score_threshold": float(score_threshold),
        "iou_threshold": model.metadata.iou_threshold,
        "outputs": {
            name: {
                "shape": list(output.shape),
                "min": float(output.min()),
                "max": float(output.max()),
                "mean": float(output.mean(dtype=np.float64)),
            }
            for name, output in outputs.items()
        },
        "candidates": [
            {"cell": cell.tolist(), **{name: _plain(v[tuple(cell)]) for name, v in values.items()}}
            for cell in np.argwhere(values["detection"][..., 4] >= logit)
        ],
        "faces": _plain_faces(faces),
    }
    Image.fromarray(input_tensor).save(out / "input.png", optimize=True)
    (out / "mfn.json").write_text(_lines(vectors))
    print(f"{len(vectors['candidates'])} candidates, {len(faces)} faces, into {out}")


def _write_sfn(model: edgeface.Model, path: Path, out: Path) -> None:
    """``sfn-input.png`` and ``sfn.json``: the first face that the shipped `mfn` finds."""
    photo = read_image(edgeface.DEMO_PHOTO)
    # whole pixels, since the last bits of a box depend on the processor
    box = np.rint(edgeface.load("mfn").run(photo, detail="fast").boxes_xyxy[0])
    size, crop_scale = model.metadata.input_size, model.metadata.crop_scale
    input_tensor, placement = crop(photo, box, crop_scale, size)
    # the box that makes the input its own crop, so that the face is in input_px
    low, high = (size - size / crop_scale) / 2, (size + size / crop_scale) / 2
    faces = model.run(input_tensor, boxes_xyxy=[[low, low, high, high]])
    vectors = _about(model, path, "sfn-input.png", input_tensor) | {
        "photo": {
            "file": edgeface.DEMO_PHOTO.name,
            "size": list(photo.shape[:2]),
            "box_xyxy": _plain(box),
            "scale": placement.scale.tolist(),
            "offset": placement.offset.tolist(),
        },
        "outputs": {n: _plain(output) for n, output in _infer(path, input_tensor).items()},
        "faces": _plain_faces(faces),
        "gaze": _gaze(faces),
    }
    Image.fromarray(input_tensor).save(out / "sfn-input.png", optimize=True)
    (out / "sfn.json").write_text(_lines(vectors))
    print(f"a crop, into {out}")


def _gaze(faces: edgeface.Faces) -> dict[str, Any]:
    """What the optional output ``gaze`` would add to the face if it had these values, rad."""
    raw = np.float32([[0.1, -0.3], [0.12, -0.25]])
    looking = replace(faces, gaze_deg=np.rad2deg(raw)[None]).to_dict()[0]
    shapes = {n: _plain(np.float32(v)) for n, v in looking["blendshapes"].items()}
    return {
        "raw": _plain(raw.ravel()),
        "gaze_deg": looking["gaze_deg"],
        "iris_centres": looking["iris_centres"],
        "blendshapes": {name: v for name, v in shapes.items() if name.startswith("eyeLook")},
    }


def _about(
    model: edgeface.Model, path: Path, file: str, input_tensor: NDArray[np.uint8]
) -> dict[str, Any]:
    """What was run on what."""
    return {
        "model": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "metadata": json.loads(model.metadata.to_json()),
        "input": {"file": file, "sha256": hashlib.sha256(input_tensor.tobytes()).hexdigest()},
    }


def _plain_faces(faces: edgeface.Faces) -> list[dict[str, Any]]:
    """What a reader must get, with the ARKit names' values apart."""
    return [
        {key: _plain(np.float32(face[key])) for key in FACE_KEYS if key in face}
        | {"blendshapes": {name: _plain(np.float32(v)) for name, v in face["blendshapes"].items()}}
        for face in faces.to_dict()
    ]


def _infer(path: Path, input_tensor: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Raw outputs by name without the batch axis, straight from ONNX Runtime."""
    session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = {session.get_inputs()[0].name: input_tensor[None]}
    return {n: o[0] for n, o in zip(names, session.run(names, feed), strict=True)}


def _threshold(objectness: NDArray[np.float32]) -> float:
    """A logit in the widest gap between the FEWEST-th and the MOST-th best.

    Rounding on another machine then cannot change who is a candidate.
    """
    best = np.sort(objectness.ravel().astype(np.float64))[::-1][FEWEST - 1 : MOST]
    widest = int(np.argmax(best[:-1] - best[1:]))
    return float(best[widest] + best[widest + 1]) / 2


def _plain(array: NDArray[np.float32]) -> Any:
    """Nested lists whose numbers are the shortest that name each float32."""
    return np.vectorize(lambda v: float(str(v)), otypes=[object])(array).tolist()


def _lines(vectors: dict[str, Any]) -> str:
    """Indented JSON with every array of numbers on one line."""
    text = json.dumps(vectors, indent=1)
    return re.sub(r"\[[^\[\]{}\"]*\]", lambda m: re.sub(r"\s+", " ", m[0]), text) + "\n"


if __name__ == "__main__":
    main()
