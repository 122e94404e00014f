"""What looking closer finds and costs, on the packs' unseen split.

    python -m benchmarks.studies.detail [--data DIR] [--model FILE] [--refine FILE]

Costs are in passes over an input of the file's own size: an input of 704 x 480 px is 704 * 480 /
288^2 of them. Portraits are also shown at 1,024 px, as a phone takes them, so that their number of
pixels alone does not spare them the second pass. A face is worsened if its error of 51 landmarks
grows by more than `WORSE` of the eye distance. Crowds are nine group photos in one.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

import edgeface
from benchmarks.studies.looking import CountingBackend, Photos, open_counting, read_unseen
from edgeface.boxes import iou_matrix
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.packs import data_dir
from edgeface.reference.evaluation.detection import MATCH_IOU, match_faces, size_share
from edgeface.reference.evaluation.figures import detection_sections
from edgeface.reference.evaluation.metrics import nme
from edgeface.reference.evaluation.predictor import model_predictor
from edgeface.reference.evaluation.run import run

DETAILS = ("fast", "auto", "full")
PORTRAIT_PX = 1024
WORSE = 0.1
"""Percent of the eye distance."""
CROWDS, CROWD_SIDE, CELL_PX = 12, 3, 416


def passes_of(backend: CountingBackend, calls) -> list[float]:
    """What each call costs."""
    costs = []
    for call in calls:
        before = backend.passes
        call()
        costs.append(backend.passes - before)
    return costs


def group_row(model, backend, detail, photos: Photos) -> list[str]:
    """AP50 by size, recall and precision at the threshold, false faces, mean cost of a photo."""

    def find(image, score):
        return model.run(image, score_threshold=score, look_again=False, detail=detail)

    before = backend.passes
    results = [
        result for result, _ in run(replace(model_predictor(model), find=find), photos.groups)
    ]
    cost = (backend.passes - before) / len(photos.groups)
    found = detection_sections(results)["detection"]
    rows = [found[f"faces from {share}% of the photo"] for share in (2, 5, 10)]
    false = sum(len(model.run(image.pixels, detail=detail)) for image in photos.empty)
    return [
        detail,
        *(f"{100 * row['AP50']:.1f}" for row in rows),
        f"{100 * rows[0]['recall at threshold']:.1f}",
        f"{100 * rows[0]['precision at threshold']:.1f}",
        f"{100 * false / len(photos.empty):.1f}",
        f"{cost:.2f}",
    ]


def enlarged(image: LabelledImage) -> LabelledImage:
    """A portrait at `PORTRAIT_PX`, with its labels."""
    height, width = image.pixels.shape[:2]
    factor = PORTRAIT_PX / max(height, width)
    size = round(width * factor), round(height * factor)
    pixels = np.asarray(Image.fromarray(image.pixels).resize(size, Image.Resampling.BICUBIC))
    labels = replace(
        image.labels,
        boxes=image.labels.boxes * factor,
        landmarks=image.labels.landmarks * factor,
    )
    return replace(image, pixels=pixels, labels=labels)


def errors(model, image: LabelledImage, detail) -> float:
    """The error of a portrait's 51 landmarks, infinite where its face is not found."""
    faces = model.run(image.pixels, detail=detail, look_again=False)
    (row,) = match_faces(faces.boxes_xyxy, faces.scores, image.labels.boxes[:1])
    if row < 0:
        return np.inf
    return float(nme(faces.landmarks_2d[row : row + 1], image.labels.landmarks[:1], inner=True)[0])


def portrait_line(title, model, backend, images: list[LabelledImage]) -> str:
    """How many portraits pay a second pass, and what becomes of their faces."""
    once = np.array([errors(model, image, "fast") for image in images])
    auto: list[float] = []
    costs = passes_of(
        backend, ((lambda i=image: auto.append(errors(model, i, "auto"))) for image in images)
    )
    lost = int((np.isinf(auto) & np.isfinite(once)).sum())
    with np.errstate(invalid="ignore"):  # missed by both
        worse = int((np.array(auto) - once > WORSE).sum()) - lost
    paid = sum(cost > 1 for cost in costs)
    return (
        f"| {title} | {len(images)} | {paid} ({100 * paid / len(images):.1f} %) | {lost} | {worse} "
        f"| {np.mean(costs):.2f} |"
    )


def crowds(photos: list[LabelledImage]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of nine group photos each, and the boxes of faces from 2 % of their own photo."""
    made = []
    for start in range(0, CROWDS * CROWD_SIDE**2, CROWD_SIDE**2):
        canvas = np.full((CELL_PX * CROWD_SIDE, CELL_PX * CROWD_SIDE, 3), 127, np.uint8)
        boxes = []
        for number, image in enumerate(photos[start : start + CROWD_SIDE**2]):
            top, left = (CELL_PX * k for k in divmod(number, CROWD_SIDE))
            height, width = image.pixels.shape[:2]
            canvas[top : top + height, left : left + width] = image.pixels
            labels = image.labels
            counts = ~labels.ignore & (size_share(labels.boxes, (height, width)) >= 0.02)
            boxes.append(labels.boxes[counts] + np.tile([left, top], 2))
        made.append((canvas, np.concatenate(boxes)))
    return made


def crowd_line(model, backend, detail, pictures) -> str:
    """How many faces of crowds are found, at the default threshold."""
    found = total = 0
    before = backend.passes
    for picture, boxes in pictures:
        faces = model.run(picture, detail=detail)
        found += int(
            (iou_matrix(boxes, faces.boxes_xyxy).max(axis=1, initial=0) >= MATCH_IOU).sum()
        )
        total += len(boxes)
    cost = (backend.passes - before) / len(pictures)
    return f"| {detail} | {found} of {total} | {cost:.1f} |"


def refined_line(model, closer, portraits: list[LabelledImage]) -> str:
    """Errors of the landmarks that `edgeface run` draws, beside those of both networks."""
    rows: list[list[float]] = [[], [], []]
    for image in portraits:
        faces = model.run(image.pixels)
        (row,) = match_faces(faces.boxes_xyxy, faces.scores, image.labels.boxes[:1])
        if row < 0:
            continue
        own = closer.run(image.pixels, boxes_xyxy=image.labels.boxes[:1])
        looks = faces, closer.refine(image.pixels, faces), own
        for errors_of, look, index in zip(rows, looks, (row, row, 0), strict=True):
            points = look.landmarks_2d[index : index + 1]
            errors_of.append(float(nme(points, image.labels.landmarks[:1], inner=True)[0]))
    cells = " | ".join(f"{np.mean(row):.2f}" for row in rows)
    return f"| {len(rows[0])} of {len(portraits)} | {cells} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    parser.add_argument("--model", default="mfn", help="an MFN's .onnx (default: mfn)")
    parser.add_argument("--refine", default="sfn", help="a network of crops (default: sfn)")
    arguments = parser.parse_args()
    model, backend = open_counting(arguments.model)
    photos = read_unseen(data_dir(arguments.data))
    print("| detail | AP50 from 2 % | 5 % | 10 % | found from 2 %, % | precision, % | "
          "false faces in 100 empty photos | passes a group photo |")  # fmt: skip
    print("|---|" + "---:|" * 7)
    for detail in DETAILS:
        print("| " + " | ".join(group_row(model, backend, detail, photos)) + " |", flush=True)
    print("\n| portraits | | pay a second pass | lost | worsened | passes |")
    print("|---|" + "---:|" * 5)
    portraits = photos.portraits
    print(portrait_line("300-W, 256 px", model, backend, portraits), flush=True)
    large = [enlarged(image) for image in portraits]
    print(portrait_line(f"{PORTRAIT_PX} px", model, backend, large), flush=True)
    every = [*photos.groups, *photos.empty, *portraits]
    for options in ({}, {"look_again": False}):
        calls = [partial(model.run, image.pixels, **options) for image in every]
        cost = np.mean(passes_of(backend, calls))
        print(f"\nmean cost of the default call {options} over all {len(every)}: {cost:.2f} passes")
    print("\n| detail | faces of crowds found | passes a crowd |\n|---|---:|---:|")
    pictures = crowds(photos.groups)
    for detail in DETAILS:
        print(crowd_line(model, backend, detail, pictures), flush=True)
    print(
        "\n| 300-W faces found | NME-51 | as `edgeface run` draws them | `sfn` on labelled boxes |"
    )
    print("|---:|---:|---:|---:|")
    print(refined_line(model, edgeface.load(arguments.refine, num_threads=1), portraits))


if __name__ == "__main__":
    main()
