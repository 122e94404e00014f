"""Write the test vectors of ``docs/reference/model-format.md`` from the photo that ships.

    python examples/vectors/make.py

Run it again whenever the weights in the package change. For every candidate over a threshold it
writes the raw outputs, and for every face that suppression leaves what a reader of the file must
get from them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

import edgeface
from edgeface.image import letterbox, read_image

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
)


def main() -> None:
    """Parse the command line and write ``input.png`` and ``mfn.json``."""
    here = Path(__file__).parent
    assets = Path(edgeface.__file__).parent / "assets"
    parser = argparse.ArgumentParser(description="write test vectors for the model format")
    parser.add_argument("--model", type=Path, default=assets / "mfn.onnx")
    parser.add_argument("--out", type=Path, default=here, metavar="DIR")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_vectors(arguments.model, arguments.out)


def write_vectors(path: Path, out: Path) -> None:
    """``input.png`` and ``mfn.json`` in the folder ``out`` for the MFN at ``path``."""
    model = edgeface.load(path)
    if model.metadata.kind != "mfn":
        raise SystemExit(f"the vectors are of an mfn, {path} is an {model.metadata.kind}")
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
    vectors = {
        "model": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "metadata": json.loads(model.metadata.to_json()),
        "input": {
            "file": "input.png",
            "sha256": hashlib.sha256(input_tensor.tobytes()).hexdigest(),
        },
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
        "faces": [
            {key: _plain(np.float32(value)) for key, value in face.items() if key in FACE_KEYS}
            for face in faces.to_dict()
        ],
    }
    Image.fromarray(input_tensor).save(out / "input.png", optimize=True)
    (out / "mfn.json").write_text(_lines(vectors))
    print(f"{len(vectors['candidates'])} candidates, {len(faces)} faces, into {out}")


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
