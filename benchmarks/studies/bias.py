"""Errors of networks of crops by the origin, sex and age that people state of themselves.

    python -m benchmarks.studies.bias --data FREE sfn sfn-free

FREE holds the pack ``faces68-webmorph`` (`edgeface-train free portraits`): 142 neutral portraits in
studio light on which people placed points. Four of five of these people are in the training of each
network, the research ones by the pack ``faces-portraits``: what can be compared is groups.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import edgeface
from edgeface.reference.data.labelled import face_box
from edgeface.reference.data.packs import FREE_HUMAN_PACK, open_pack, validates

LEAST_PEOPLE = 5
AGES = ((0, 22, "to 21"), (22, 30, "22 to 29"), (30, 200, "30 and over"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    pack = open_pack(arguments.data, FREE_HUMAN_PACK)
    labels = pack.labels
    points = labels["landmarks68"]
    rows = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    errors = {name: errors_of(name, pack, rows) for name in arguments.networks}
    print("| group | people | " + " | ".join(arguments.networks) + " |")
    print("|---|---:|" + "---:|" * len(errors))
    for title, chosen in groups(labels, rows).items():
        if chosen.sum() < LEAST_PEOPLE:
            continue
        cells = [f"{e[chosen].mean():.2f} ± {spread(e[chosen]):.2f}" for e in errors.values()]
        print(f"| {title} | {chosen.sum()} | " + " | ".join(cells) + " |")


def errors_of(name: str, pack, rows) -> np.ndarray:
    """NME of the 51 inner points of each portrait, in % of the outer eye distance."""
    model = edgeface.load(name)
    found = []
    for index, pixels in pack.images(rows):
        true = pack.labels["landmarks68"][index]
        faces = model.run(pixels, boxes_xyxy=face_box(true[None]))
        distance = np.linalg.norm(faces.landmarks_2d[0] - true, axis=1)[17:].mean()
        found.append(100 * distance / np.linalg.norm(true[45] - true[36]))
    return np.array(found)


def groups(labels, rows) -> dict[str, np.ndarray]:
    """Which of the rows belong to each group."""
    origin, sex = labels["origin"][rows], labels["sex"][rows]
    age = np.array([float(a) if a.replace(".", "").isdigit() else np.nan
                    for a in labels["age"][rows].tolist()])  # fmt: skip
    found = {"all": np.ones(len(rows), bool)}
    for name in sorted(set(origin.tolist())):
        found[f"origin: {name.replace('_', ' ')}"] = origin == name
    for name in sorted(set(sex.tolist())):
        found[f"sex: {name}"] = sex == name
    for low, high, name in AGES:
        found[f"age: {name}"] = (age >= low) & (age < high)
    unseen = [validates(FREE_HUMAN_PACK, g) for g in labels["group"][rows].tolist()]
    found["people whom `sfn-free` never saw"] = np.array(unseen)
    return found


def spread(errors: np.ndarray) -> float:
    """The standard error of a mean."""
    return float(errors.std(ddof=1) / np.sqrt(len(errors)))


if __name__ == "__main__":
    main()
