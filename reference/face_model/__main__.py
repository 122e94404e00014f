"""``python -m edgeface.reference.face_model``: learn, report and draw face models."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from edgeface.face_model import FaceModel
from edgeface.reference.data.packs import data_dir
from edgeface.reference.face_model.learn import (
    landmark_map_nme,
    learn,
    read_corpus,
    residuals,
)
from edgeface.reference.face_model.picture import draw_shapes


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m edgeface.reference.face_model")
    commands = parser.add_subparsers(dest="command", required=True)
    learner = commands.add_parser("learn", help="learn the default model from the data packs")
    learner.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    learner.add_argument("--out", type=Path, required=True)
    drawer = commands.add_parser("draw", help="draw every shape of a model into one picture")
    drawer.add_argument("model", type=Path)
    drawer.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "draw":
        draw_shapes(FaceModel.load(arguments.model), arguments.out)
        return
    folder = data_dir(arguments.data)
    model = learn(folder)
    report = {}
    for split in ("train", "validation"):
        corpus = read_corpus(folder, validation=split == "validation")
        report[split] = {
            "num_meshes": len(corpus.meshes),
            "residual_percent_of_outer_eye_distance": residuals(model, corpus),
            "landmark_map_nme_percent": landmark_map_nme(model, corpus),
        }
    model = replace(model, info=model.info | {"report": report})
    model.save(arguments.out)
    print(json.dumps(model.info, indent=2))


if __name__ == "__main__":
    main()
