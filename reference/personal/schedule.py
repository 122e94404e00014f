"""What fitting weighs, in which stages it goes, and how large its steps are."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Weights:
    """Of the losses; colours in [0, 1], points in px of a crop of 112, lengths in 10 cm."""

    photometric: float = 200.0
    image_gradient: float = 200.0
    parsing: float = 10.0
    landmarks: float = 1.0
    mesh: float = 1.0
    smoothness: float = 25.0
    neutral_gradient: float = 10.0
    blendshape_gradient: float = 3.0
    corrections: float = 1e-4
    dynamic_skin: float = 20.0
    skin_variation: float = 0.5
    symmetry: float = 0.1
    coefficients: float = 0.05
    start: float = 10.0
    identity: float = 0.001
    light: float = 0.05
    shadow: float = 2.0


@dataclass(frozen=True)
class Stage:
    """Some steps of the optimiser on some of the unknowns, with or without the pictures."""

    name: str
    steps: int
    unknowns: tuple[str, ...]
    pictures: bool


STAGES = (
    Stage("placing the face", 80, ("turn", "translation"), False),
    Stage("fitting points", 150, ("turn", "translation", "logits", "identity"), False),
    Stage("fitting points", 60, ("turn", "translation", "logits", "identity", "neutral"), False),
    Stage(
        "fitting pictures", 100,
        ("turn", "translation", "logits", "identity", "light", "shadow", "skin", "neutral",
         "shapes", "dynamic_skin"),
        True,
    ),
)  # fmt: skip
MOTION = ("turn", "translation", "logits")
BY_POINTS = (replace(STAGES[0], steps=60), Stage("fitting points", 60, MOTION, False))
"""The motion of somebody whose shapes are known."""
MOTION_STAGES = (
    *BY_POINTS,
    Stage("fitting pictures", 40, (*MOTION, "light", "shadow"), True),
)
"""For frames of somebody who is known."""
READING_STAGES = (*BY_POINTS, Stage("reading the skin", 0, ("light", "shadow", "skin"), True))
"""For frames of somebody whose shapes are known, but not the skin."""
RATES = {
    "turn": 0.006, "translation": 0.006, "logits": 0.1, "light": 0.012, "shadow": 0.02,
    "identity": 0.02,"skin": 0.02, "neutral": 0.001, "shapes": 0.002, "dynamic_skin": 0.02,
}  # fmt: skip
"""Adam's step sizes."""
LEVELS = (8, 16, 32, 64)
"""Sides of the maps whose sum a correction of a shape is while it is fitted. Adam moves each texel
by steps of one size, so what is coarse is found in few steps, and what is fine stays small."""
CORRECTIONS = ("neutral", "shapes")
