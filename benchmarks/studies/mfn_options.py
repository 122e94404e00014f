"""What an MFN's input size and its suppression cost and give, on the packs' unseen split.

    python -m benchmarks.studies.mfn_options [--data DIR] [--model FILE]

Prints a table in Markdown. The network's time is processor time on one thread, all sizes in turns.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import numpy as np

import edgeface
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.packs import data_dir
from edgeface.reference.evaluation.figures import measure
from edgeface.reference.evaluation.headline import FACES, PHOTOS, judging_images
from edgeface.reference.evaluation.predictor import model_predictor
from edgeface.reference.evaluation.run import run
from edgeface.timing import PROCESSOR, take_turns

OPTIONS = (
    (288, "weighted"), (288, "greedy"), (384, "weighted"), (320, "weighted"), (256, "weighted"),
    (224, "weighted"), (192, "weighted"),
)  # fmt: skip
ROUNDS = 60


def network_ms(models: list[edgeface.Model]) -> list[float]:
    """Median processor time of each network alone."""
    inputs = [
        np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
        for size in (model.metadata.input_size for model in models)
    ]
    calls = {
        number: partial(model.infer, tensor)
        for number, (model, tensor) in enumerate(zip(models, inputs, strict=True))
    }
    timings = take_turns(calls, ROUNDS, clock=PROCESSOR)
    return [timing.median_ms for timing in timings.values()]


def row(model: edgeface.Model, suppression: str, images: list[LabelledImage]) -> list[str]:
    """The accuracies of one row as text."""

    def find(image, score):
        return model.run(image, score_threshold=score, suppression=suppression, detail="fast")

    predictor = replace(model_predictor(model), find=find)
    groups = measure([result for result, _ in run(predictor, images)], True)
    detection, faces = groups[PHOTOS]["detection"], groups[FACES]
    landmarks = faces["landmarks"]["all faces"]
    return [
        f"{detection['faces from 2% of the photo']['AP50']:.3f}",
        f"{detection['faces from 5% of the photo']['AP50']:.3f}",
        f"{landmarks['eyes 51']:.2f}",
        f"{landmarks['eyes 68']:.2f}",
        f"{faces['head pose, deg']['all faces']['mean of three']:.2f}",
        f"{faces['expression']['all faces']['error']:.4f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    parser.add_argument("--model", default="mfn", help="an MFN's .onnx (default: mfn)")
    arguments = parser.parse_args()
    sizes = dict.fromkeys(size for size, _ in OPTIONS)
    models = {s: edgeface.load(arguments.model, num_threads=1, input_size=s) for s in sizes}
    costs = dict(zip(models, network_ms(list(models.values())), strict=True))
    images = judging_images(data_dir(arguments.data), models[288].face_model)
    print("| input px | suppression | network, ms | AP50 from 2 % | from 5 % | NME-51, % | "
          "NME-68, % | pose, deg | expression |")  # fmt: skip
    print("|---:|---|" + "---:|" * 7)
    for size, suppression in OPTIONS:
        cells = [str(size), suppression, f"{costs[size]:.1f}"]
        cells += row(models[size], suppression, images)
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
