"""Finding the mapping that suits a character, of those that ship, and telling what it does."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from textwrap import fill

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.errors import InvalidInputError
from edgeface.gaze import LIDS
from edgeface.retarget.character import Character, find_shape, find_shapes
from edgeface.retarget.mapping import Mapping, preset_names, read_mapping

BOTH_LIDS = ("Blink", "Fcl_EYE_Close", "eyesClosed", "Eye_Blink")
"""Names of a shape that shuts both eyes, of which characters may have no other for lids."""


def choose_preset(shapes: Collection[str], what: str) -> str:
    """Choose the shipped mapping that uses most of ARKit's shapes to move a character.

    Parameters
    ----------
    shapes : the character's shapes
    what : the name of the character in errors

    Raises
    ------
    InvalidInputError
        If no mapping knows shapes of this kind.

    Notes
    -----
    Of mappings that use equally many, the one with more of its ``signs`` in the character is taken;
    then the one with more targets there; then the first by name.
    """
    if not shapes:
        raise InvalidInputError(f"{what} has no shapes that could move")
    scores: dict[str, tuple[int, int, int]] = {}
    for name in preset_names():
        mapping = read_mapping(name)
        adapted = adapt(mapping, shapes)
        sources = set[str]().union(*adapted.recipes.values())
        signs = sum(find_shape(sign, shapes) is not None for sign in mapping.signs)
        scores[name] = (len(sources), signs, len(adapted.recipes))
    best = max(scores, key=lambda name: scores[name])
    if scores[best][0] == 0:
        raise InvalidInputError(
            f"{what} has shapes of no kind that is known ({', '.join(preset_names())}), only "
            f"{', '.join(sorted(shapes)[:12])}; give a mapping file"
        )
    return best


def adapt(mapping: Mapping, shapes: Iterable[str]) -> Mapping:
    """Rename a mapping's targets as a character calls them, and drop those that it lacks.

    If none is left that shuts an eye, the first shape of `BOTH_LIDS` does it, by the mean of both.
    """
    shapes = list(shapes)

    def own(recipes: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        return {
            shape: recipe for name, recipe in recipes.items() for shape in find_shapes(name, shapes)
        }

    targets = own(mapping.targets)
    if not set(LIDS) & set[str]().union(*targets.values()):
        both = next(filter(None, (find_shapes(name, shapes) for name in BOTH_LIDS)), list[str]())
        targets |= dict.fromkeys(both, dict.fromkeys(LIDS, 0.5))
    return replace(mapping, targets=targets, fit=own(mapping.fit))


def report(character: Character, name: str, mapping: Mapping, absent: Collection[str]) -> str:
    """Describe in a few lines what a mapping moves of a character, and what it cannot.

    Parameters
    ----------
    character : the character
    name : the name of the mapping
    mapping : a mapping with the character's own names
    absent : ARKit's shapes that the network cannot see
    """
    recipes = mapping.recipes
    moved = [shape for shape in recipes if set(recipes[shape]) - set(absent)]
    blind = [shape for shape in recipes if shape not in moved]
    used = set[str]().union(*recipes.values())
    parts = {bind for shape in recipes for bind in character.shapes.get(shape, [])}
    still = [
        shape
        for shape, binds in character.shapes.items()
        if shape not in recipes and not parts & set(binds)
    ]
    unused = [shape for shape in ARKIT_NAMES if shape not in used and shape not in absent]
    bones = [bone for bone in ("head", "neck", "spine") if bone in character.bones]
    num_morphs = sum(map(len, character.morphs.values()))
    lines = [
        f"{character.kind} with {num_morphs} morph targets, {len(character.clips)} expressions; "
        f"bones: {', '.join(bones) or 'no head'}",
        f"mapping {name} drives {len(moved)}: {', '.join(moved)}",
    ]
    for title, names in (
        ("needs ARKit shapes that are not estimated for", blind),
        ("cannot drive", still),
        ("does not use, of the estimated shapes,", unused),
    ):
        if names:
            lines.append(f"{title} {len(names)}: {', '.join(names)}")
    return "\n".join(
        fill(line, 100, subsequent_indent="  ", break_on_hyphens=False) for line in lines
    )
