"""CLEAR MOT's counts of tracked faces against a truth that was drawn by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import edgeface
from edgeface.boxes import iou_matrix
from edgeface.video.assignment import FORBIDDEN, assign
from edgeface.video.reader import open_video

TRUTH = Path(__file__).parents[1] / "video" / "street_truth.json"
MIN_IOU = 0.35
"""Of a found face with its hand-drawn box: both are loose about foreheads."""

Boxes = dict[Any, np.ndarray]


@dataclass
class Count:
    """CLEAR MOT's counts (Bernardin and Stiefelhagen 2008) over a clip."""

    faces: int = 0
    found: int = 0
    false_alarms: int = 0
    switches: int = 0
    fragmentations: int = 0
    ids_of: dict[str, list[int]] = field(default_factory=dict)

    @property
    def misses(self) -> int:
        return self.faces - self.found

    def summary(self) -> str:
        return (
            f"{self.faces} faces, misses {self.misses} ({self.misses / max(1, self.faces):.0%}), "
            f"false alarms {self.false_alarms}, identity switches {self.switches}, "
            f"fragmentations {self.fragmentations}"
        )


def read_truth(path: Path = TRUTH) -> list[tuple[Boxes, Boxes]]:
    """Per frame: boxes that count, and boxes that neither count nor harm, by name."""
    people = json.loads(path.read_text())["people"]
    spans = [(name, span) for name, parts in people.items() for span in parts]
    frames: list[tuple[Boxes, Boxes]] = [
        ({}, {}) for _ in range(max(s["first"] + len(s["boxes"]) for _, s in spans))
    ]
    for name, span in spans:
        for i, (box, counted) in enumerate(zip(span["boxes"], span["counted"], strict=True)):
            counts, ignored = frames[span["first"] + i]
            (counts if counted == "1" else ignored)[name] = np.array(box, float)
    return frames


def count(truth: list[tuple[Boxes, Boxes]], tracked: list[Boxes]) -> Count:
    """Compare tracked boxes by id, per frame, with the truth.

    A pair of the last frame stays as long as it overlaps. A person's id that differs from the
    last one is a switch; a person found again after a miss is a fragmentation.
    """
    total, last_id, missed = Count(), {}, set()
    for (counts, ignored), found in zip(truth, tracked, strict=True):
        pairs = _pair(counts, found, last_id)
        for name in counts:
            total.faces += 1
            if name not in pairs:
                if name in last_id:
                    missed.add(name)
                continue
            total.found += 1
            if name in last_id:
                total.switches += last_id[name] != pairs[name]
                total.fragmentations += name in missed
            missed.discard(name)
            last_id[name] = pairs[name]
            if pairs[name] not in total.ids_of.setdefault(name, []):
                total.ids_of[name].append(pairs[name])
        spare = [box for track, box in found.items() if track not in pairs.values()]
        known = [*counts.values(), *ignored.values()]
        total.false_alarms += sum(
            not known or iou_matrix(box[None], np.stack(known)).max() < 0.1 for box in spare
        )
    return total


def _pair(counts: Boxes, found: Boxes, last_id: dict[str, int]) -> dict[str, int]:
    if not counts or not found:
        return {}
    names, ids = list(counts), list(found)
    overlap = iou_matrix(np.stack([counts[n] for n in names]), np.stack([found[i] for i in ids]))
    cost = np.where(overlap >= MIN_IOU, 1 - overlap, FORBIDDEN)
    for row, name in enumerate(names):
        if last_id.get(name) in ids and cost[row, ids.index(last_id[name])] < FORBIDDEN:
            cost[row, ids.index(last_id[name])] = 0.0
    return {names[r]: ids[c] for r, c in assign(cost)}


def track_clip(tracker: edgeface.Tracker, path: Path, step: int = 1) -> list[Boxes]:
    """Boxes by id for every frame of a clip, or for every so many."""
    with open_video(path) as video:
        frames = (frame for frame in video if frame.index % step == 0)
        tracked = [tracker.update(frame.image, frame.time_s) for frame in frames]
    return [{f.track_id: f.box_xyxy.astype(float) for f in faces} for faces in tracked]
