"""Expressions of rendered people: whole faces that people make, and single strong movements."""

from __future__ import annotations

import numpy as np

from edgeface.types import FloatArray

BOTH = ("_L", "_R")
SIDED = (
    "browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekSquint", "eyeBlink", "eyeLookDown",
    "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown",
    "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
UNSIDED = ("browInnerUp", "cheekPuff")
"""Movements that ICT-FaceKit splits into sides, and the teacher does not."""
MIDDLE = (
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthFunnel", "mouthLeft", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
WHOLE: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.8, "cheekSquint": 0.3, "eyeSquint": 0.3},
    "grin": {"mouthSmile": 0.9, "mouthUpperUp": 0.45, "mouthLowerDown": 0.4, "cheekSquint": 0.4,
             "eyeSquint": 0.4, "jawOpen": 0.05},
    "laugh": {"mouthSmile": 0.9, "jawOpen": 0.4, "mouthUpperUp": 0.4, "mouthLowerDown": 0.3,
              "cheekSquint": 0.6, "eyeSquint": 0.6, "eyeBlink": 0.25},
    "surprise": {"jawOpen": 0.55, "browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.8},
    "fear": {"mouthStretch": 0.7, "browInnerUp": 0.9, "eyeWide": 0.8, "jawOpen": 0.2,
             "mouthLowerDown": 0.4},
    "anger": {"browDown": 0.9, "eyeSquint": 0.4, "mouthPress": 0.6, "noseSneer": 0.4},
    "shout": {"browDown": 0.8, "jawOpen": 0.7, "mouthUpperUp": 0.5, "mouthLowerDown": 0.6,
              "noseSneer": 0.5, "mouthStretch": 0.3},
    "disgust": {"noseSneer": 0.9, "mouthUpperUp": 0.6, "browDown": 0.5, "eyeSquint": 0.5},
    "sad": {"browInnerUp": 0.8, "mouthFrown": 0.7, "mouthShrugLower": 0.5},
    "kiss": {"mouthPucker": 0.9},
    "oh": {"mouthFunnel": 0.8, "jawOpen": 0.3},
    "ah": {"jawOpen": 0.45},
    "ee": {"mouthStretch": 0.6, "mouthLowerDown": 0.5, "mouthSmile": 0.2, "jawOpen": 0.05},
    "scream": {"jawOpen": 0.95, "mouthUpperUp": 0.3, "browInnerUp": 0.6, "eyeWide": 0.5},
    "lips in": {"mouthRollLower": 0.8, "mouthRollUpper": 0.8},
    "puff": {"cheekPuff": 0.9, "mouthPucker": 0.3},
    "pout": {"mouthShrugLower": 0.8, "mouthShrugUpper": 0.5, "mouthFrown": 0.4},
}  # fmt: skip
"""Expressions by name: how strong each movement is."""

STRONG: dict[str, dict[str, float]] = {
    name: WHOLE[name]
    for name in ("grin", "laugh", "surprise", "fear", "anger", "shout", "disgust", "oh", "scream")
} | {
    "roar of laughter": {"mouthSmile": 0.9, "jawOpen": 0.7, "mouthUpperUp": 0.6, "eyeBlink": 0.4,
                         "mouthLowerDown": 0.5, "cheekSquint": 0.8, "eyeSquint": 0.8},
    "wince": {"eyeBlink": 0.8, "eyeSquint": 0.9, "browDown": 0.7, "mouthStretch": 0.6,
              "cheekSquint": 0.7, "noseSneer": 0.5},
}  # fmt: skip
"""Those that move much of a face, by name."""


def draw_expression(
    names: tuple[str, ...], random: np.random.Generator, strong: bool = False
) -> FloatArray:
    """Weights (K,) in [0, 1] of ICT-FaceKit's shapes, lids and gaze included.

    With ``strong``, the expression is one of `STRONG`, and not a weak one.
    """
    column = {name: k for k, name in enumerate(names)}
    weights = np.zeros(len(names))

    def add(movement: str, strength: float, lean: float = 0.0) -> None:
        if movement in column:
            weights[column[movement]] += strength
            return
        for side, share in zip(BOTH, (1 + min(lean, 0), 1 - max(lean, 0)), strict=True):
            weights[column[movement + side]] += strength * share

    lean = float(random.choice([0.0, random.normal(0, 0.15), random.uniform(-1, 1)],
                               p=[0.5, 0.35, 0.15]))  # fmt: skip
    wholes, weakest, strongest = (STRONG, 0.7, 1.4) if strong else (WHOLE, 0.3, 1.15)
    whole = wholes[str(random.choice(list(wholes)))]
    strength = random.uniform(weakest, strongest)
    for movement, amount in whole.items():
        add(movement, amount * strength * random.uniform(0.7, 1.2), lean)
    for movement in random.choice([*SIDED, *MIDDLE], random.integers(0, 4), replace=False):
        add(str(movement), float(random.beta(1.2, 2.0)), float(random.uniform(-1, 1)))
    _draw_lids(column, weights, random)
    return np.clip(weights, 0, 1)


def _draw_lids(column: dict[str, int], weights: FloatArray, random: np.random.Generator) -> None:
    """Blinks, and a gaze whose lids follow it."""
    kind = random.random()
    for side in BOTH:
        blink = column[f"eyeBlink{side}"]
        if kind < 0.14:
            weights[blink] = 1.0
        elif kind < 0.28:
            weights[blink] += random.uniform(0.2, 0.9)
    if 0.28 <= kind < 0.33:
        weights[column[f"eyeBlink{random.choice(BOTH)}"]] = 1.0
    for way in ("Up", "Down"):
        if random.random() < 0.3:
            strength = random.beta(1.2, 1.8)
            for side in BOTH:
                weights[column[f"eyeLook{way}{side}"]] = strength
            break
    turn = random.normal(0, 0.35)
    inward, outward = ("_L", "_R") if turn > 0 else ("_R", "_L")
    weights[column[f"eyeLookIn{inward}"]] = weights[column[f"eyeLookOut{outward}"]] = abs(turn)
    for side in BOTH:  # a shut eye is not wide open too
        shut = weights[column[f"eyeBlink{side}"]]
        for other in ("eyeWide", "eyeLookDown", "eyeSquint"):
            weights[column[f"{other}{side}"]] *= 1 - min(shut, 1.0)


def teacher_scores(weights: FloatArray, names: tuple[str, ...]) -> dict[str, float]:
    """The scores that the teacher's names give to weights (K,) of ICT-FaceKit's shapes."""
    scores: dict[str, list[float]] = {}
    for name, weight in zip(names, weights.tolist(), strict=True):
        if name.startswith(("PupilDilate", "cheekRaiser")):
            continue
        arkit = name.replace("_L", "Left").replace("_R", "Right")
        arkit = next((whole for whole in UNSIDED if arkit.startswith(whole)), arkit)
        scores.setdefault(arkit, []).append(weight)
    return {name: float(np.mean(parts)) for name, parts in scores.items()}
