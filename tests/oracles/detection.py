"""Decoding, suppression and average precision, one candidate at a time."""

from __future__ import annotations

import math


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def decode(detection, anchors, stride, threshold, cell_range=1.0):
    """[(score, (x0, y0, x1, y1), (row, column, anchor))] in row-major order."""
    found = []
    for row, line in enumerate(detection.tolist()):
        for column, cell in enumerate(line):
            for a, (aw, ah) in enumerate(anchors.tolist()):
                tx, ty, tw, th, to = cell[5 * a : 5 * a + 5]
                score = sigmoid(to)
                if score < threshold:
                    continue
                cx, cy = (
                    (middle + 0.5 + cell_range * (sigmoid(t) - 0.5)) * stride
                    for middle, t in ((column, tx), (row, ty))
                )
                w, h = aw * math.exp(tw), ah * math.exp(th)
                box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
                found.append((score, box, (row, column, a)))
    return found


def iou(a, b) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    total = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (total - shared)


def suppress(boxes, scores, threshold):
    """Indices kept, best first; the earlier of two equal scores is the better."""
    remaining = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    kept = []
    while remaining:
        best = remaining.pop(0)
        kept.append(best)
        remaining = [i for i in remaining if iou(boxes[best], boxes[i]) <= threshold]
    return kept


def coco_average_precision(images, threshold, least):
    """101-point AP by COCO's rules, one image, one detection, one face at a time.

    ``images``: [(faces, ignored, detections, scores, (height, width))] of boxes as tuples.
    """
    pairs, num_truth = [], 0
    for faces, ignored, detections, scores, (height, width) in images:

        def small(box, width=width, height=height):
            return min((box[2] - box[0]) / width, (box[3] - box[1]) / height) < least

        skip = [bool(i) or small(f) for f, i in zip(faces, ignored, strict=True)]
        num_truth += skip.count(False)
        taken = [False] * len(faces)
        for d in sorted(range(len(scores)), key=lambda i: -scores[i]):
            best, best_iou = None, threshold - 1e-10
            for counted in (True, False):  # faces that count come first
                for f in range(len(faces)):
                    if skip[f] == counted or (taken[f] and not ignored[f]):
                        continue
                    overlap = iou(detections[d], faces[f])
                    if ignored[f]:
                        overlap = covered(detections[d], faces[f])
                    if overlap >= best_iou:
                        best, best_iou = f, overlap
                if best is not None:
                    break
            if best is None:
                if not small(detections[d]):
                    pairs.append((scores[d], False))
                continue
            taken[best] = True
            if not skip[best]:
                pairs.append((scores[d], True))
    return average_precision(pairs, num_truth) if num_truth else math.nan


def covered(box, region) -> float:
    """The share of a box that lies in a region."""
    width = min(box[2], region[2]) - max(box[0], region[0])
    height = min(box[3], region[3]) - max(box[1], region[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((box[2] - box[0]) * (box[3] - box[1]))


def average_precision(scored_hits, num_truth) -> float:
    """101-point AP from [(score, hit)]; recalls are floats, rounding included, as COCO's are."""
    ordered = sorted(scored_hits, key=lambda pair: -pair[0])
    points = []
    hits = 0
    for rank, (_, hit) in enumerate(ordered, start=1):
        hits += hit
        points.append((hits, hits / rank))
    total = 0.0
    for step in range(101):
        reached = [p for h, p in points if h / num_truth >= step * 0.01]
        total += max(reached, default=0.0)
    return total / 101


def suppress_soft(boxes, scores, threshold, floor):
    """[(index, score)]: Bodla et al. 2017, linear; best first, the earlier of two equals."""
    left = dict(enumerate(scores))
    taken = []
    while left:
        best = min(left, key=lambda i: (-left[i], i))
        taken.append((best, left.pop(best)))
        for i in list(left):
            overlap = iou(boxes[best], boxes[i])
            if overlap > threshold:
                left[i] *= 1.0 - overlap
                if left[i] < floor:
                    del left[i]
    return taken


def suppress_weighted(boxes, scores, threshold, floor):
    """[(index, members, weights)]: every kept box's cluster, and what each of it counts."""
    remaining = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    taken = []
    while remaining:
        best = remaining[0]
        cluster = [i for i in remaining if i == best or iou(boxes[best], boxes[i]) > threshold]
        weights = [
            scores[i] * (scores[i] - floor) * (iou(boxes[best], boxes[i]) - threshold)
            for i in cluster
        ]
        taken.append((best, cluster, [w / sum(weights) for w in weights]))
        remaining = [i for i in remaining if i not in cluster]
    return taken


def weighted_mean(rows, weights):
    """The mean of rows of numbers, one column after another."""
    return [
        sum(w * row[k] for w, row in zip(weights, rows, strict=True)) for k in range(len(rows[0]))
    ]
