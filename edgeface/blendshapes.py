"""Expression coefficients under the names that ARKit has for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edgeface.types import FloatArray

# Coefficients that ARKit names otherwise. Both of a pair come from one coefficient, or one name
# from the mean of two.
SPLIT = {
    "eyeLookUp": ("eyeLookUpLeft", "eyeLookUpRight"),
    "eyeLookDown": ("eyeLookDownLeft", "eyeLookDownRight"),
}
MERGED = {"browInnerUp": ("browInnerUpLeft", "browInnerUpRight")}


def blendshapes(
    names: Sequence[str], coefficients: FloatArray, unseen: Collection[str]
) -> dict[str, float]:
    """Coefficients (46,) by ARKit's names, which are sorted; those that are unseen are absent."""
    named = {
        name: float(value)
        for name, value in zip(names, coefficients, strict=True)
        if name not in unseen
    }
    for merged, parts in MERGED.items():
        if all(part in named for part in parts):
            named[merged] = sum(named.pop(part) for part in parts) / len(parts)
    for single, parts in SPLIT.items():
        if single in named:
            value = named.pop(single)
            named |= dict.fromkeys(parts, value)
    return dict(sorted(named.items()))
