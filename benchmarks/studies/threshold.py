"""What a score means, and the threshold that follows from it.

    python -m benchmarks.studies.threshold [--data DIR] [--model FILE] [--detail auto]
        [--most-false 3.0] [--least-precision 0.9]

Half of the unseen photos, by the hash of their names, choose the threshold, and the other half
judge it. The rule: of all hundredths the lowest at which at most ``--most-false`` of 100 photos of
nobody show a face, and at least ``--least-precision`` of the faces reported in group photos are
labelled ones. Photos count, not faces, since false faces come in heaps. Faces are those of the
default call, its second look included.

The calibration curve is the share of true faces among those of a score, over both kinds of photos.
A line fitted to it, in logits, says the probability of each score: p = sigmoid(a logit(score) + b).
"""

from __future__ import annotations

import argparse
import zlib
from dataclasses import dataclass

import numpy as np

from benchmarks.studies.looking import everything_seen, open_counting, read_unseen
from edgeface.boxes import iou_matrix
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.packs import data_dir
from edgeface.reference.evaluation.detection import MATCH_IOU, match_faces, size_share
from edgeface.types import AnyArray, BoolArray, FloatArray

LEAST_SHARE = 0.02
"""The least face of which recall is told, as a share of the photo on both sides."""
CONSIDERED = np.arange(20, 91) / 100
SHOWN = np.arange(20, 91, 5) / 100
BINS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
NEWTON_STEPS = 30


@dataclass(frozen=True)
class Scores:
    """The scores of what was found in some photos, and of the labelled faces that count.

    Attributes
    ----------
    right, wrong : of the detections in group photos that are of a labelled face, and of the others
    large : of the wrong ones, whether they are from `LEAST_SHARE` of the photo; likewise of all
        that are right
    labelled : of the labelled faces from `LEAST_SHARE`, 0 where none was found
    empty : of what was found in photos of nobody
    empty_best : the best of each of those photos, 0 where nothing was found
    """

    right: FloatArray
    wrong: FloatArray
    right_large: BoolArray
    wrong_large: BoolArray
    labelled: FloatArray
    empty: FloatArray
    empty_best: FloatArray

    def recall(self, threshold: float) -> float:
        return float((self.labelled >= threshold).mean())

    def precision(self, threshold: float) -> float:
        right = ((self.right >= threshold) & self.right_large).sum()
        wrong = ((self.wrong >= threshold) & self.wrong_large).sum()
        return float(right / max(right + wrong, 1))

    def false_photos(self, threshold: float) -> float:
        """How many of 100 photos of nobody show a face."""
        return 100 * float((self.empty_best >= threshold).mean())


def scores_of(groups: list, empty: list) -> Scores:
    """What was found, against the labels; both are pairs of an image and its faces."""
    parts: dict[str, list[AnyArray]] = {name: [] for name in Scores.__annotations__}
    for image, faces in groups:
        labels, size = image.labels, image.pixels.shape[:2]
        true = iou_matrix(faces.boxes_xyxy, labels.boxes).max(axis=1, initial=0) >= MATCH_IOU
        large = size_share(faces.boxes_xyxy, size) >= LEAST_SHARE
        for name, rows in (("right", true), ("wrong", ~true)):
            parts[name].append(faces.scores[rows])
            parts[f"{name}_large"].append(large[rows])
        match = match_faces(faces.boxes_xyxy, faces.scores, labels.boxes)
        found = np.where(match < 0, 0.0, np.append(faces.scores, 0.0)[match])
        counts = ~labels.ignore & (size_share(labels.boxes, size) >= LEAST_SHARE)
        parts["labelled"].append(found[counts])
    for _, faces in empty:
        parts["empty"].append(faces.scores)
        parts["empty_best"].append(faces.scores[:1] if len(faces) else np.zeros(1))
    return Scores(**{name: np.concatenate(some) for name, some in parts.items()})


def chooses(image: LabelledImage) -> bool:
    """Whether a photo belongs to the half that chooses."""
    return zlib.crc32(image.name.encode()) % 2 == 0


def chosen_threshold(scores: Scores, most_false: float, least_precision: float) -> float:
    """The lowest threshold by the rule; 1 if there is none."""
    for threshold in CONSIDERED.tolist():
        few = scores.false_photos(threshold) <= most_false
        if few and scores.precision(threshold) >= least_precision:
            return threshold
    return 1.0


def logit(score: FloatArray) -> FloatArray:
    bounded = np.clip(score.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.log(bounded / (1 - bounded))


def fitted_line(score: FloatArray, true: BoolArray) -> tuple[float, float]:
    """Slope and offset of the logistic regression of the truth on the score's logit."""
    x = np.stack([logit(score), np.ones(len(score))], axis=1)
    line = np.array([1.0, 0.0])
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-x @ line))
        step = np.linalg.solve((x.T * (p * (1 - p))) @ x + 1e-9 * np.eye(2), x.T @ (true - p))
        line = line + step
    return float(line[0]), float(line[1])


def print_calibration(scores: Scores) -> None:
    """The curve, the line through it, and where a face is as likely as not."""
    score = np.concatenate([scores.right, scores.wrong, scores.empty])
    true = np.arange(len(score)) < len(scores.right)
    slope, offset = fitted_line(score[score >= BINS[0]], true[score >= BINS[0]])
    print("| score | detections | of a face, % | the line says, % |\n|---|---:|---:|---:|")
    for low, high in zip(BINS[:-1].tolist(), BINS[1:].tolist(), strict=True):
        part = (score >= low) & (score < high)
        if part.any():
            says = 1 / (1 + np.exp(-(slope * logit(score[part]) + offset)))
            print(f"| {low:.2f} to {high:.2f} | {part.sum()} | {100 * true[part].mean():.0f} | "
                  f"{100 * says.mean():.0f} |")  # fmt: skip
    even = 1 / (1 + np.exp(offset / slope))
    print(f"\np = sigmoid({slope:.2f} logit(score) {offset:+.2f}): "
          f"as likely as not at a score of {even:.2f}\n")  # fmt: skip


def main() -> None:
    """Print the calibration curve, a line for each threshold, and the choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of the packs (default: $EDGEFACE_DATA)")
    parser.add_argument("--model", default="mfn", help="an MFN's .onnx (default: mfn)")
    parser.add_argument("--detail", choices=("auto", "fast", "full"), default="auto")
    parser.add_argument("--most-false", type=float, default=3.0)
    parser.add_argument("--least-precision", type=float, default=0.9)
    arguments = parser.parse_args()
    model, _ = open_counting(arguments.model)
    photos = read_unseen(data_dir(arguments.data))
    seen = [
        list(zip(images, everything_seen(model, images, arguments.detail), strict=True))
        for images in (photos.groups, photos.empty)
    ]
    print_calibration(scores_of(*seen))
    halves = {
        choosing: scores_of(*([p for p in kind if chooses(p[0]) == choosing] for kind in seen))
        for choosing in (True, False)
    }
    print("| threshold | found from 2 %, % | precision, % | of 100 empty photos show a face | "
          "the same, of the half that judges | | |\n|---:|" + "---:|" * 6)  # fmt: skip
    threshold = chosen_threshold(halves[True], arguments.most_false, arguments.least_precision)
    for limit in sorted({*SHOWN.tolist(), threshold}):
        cells = [f"{limit:.2f}"]
        for half in halves.values():
            cells += [f"{100 * half.recall(limit):.1f}", f"{100 * half.precision(limit):.1f}",
                      f"{half.false_photos(limit):.1f}"]  # fmt: skip
        print("| " + " | ".join(cells) + " |")
    print(f"\nchosen: {threshold:.2f}")


if __name__ == "__main__":
    main()
