"""Draw which rooms of ``reference/`` import which: ``python docs/draw_imports.py OUT.png``.

A room is a folder or a module directly inside ``reference/``. Rooms stand on floors, each above
all that it imports; the more modules import from a room, the thicker the arrow to it. Imports
among rooms that import one another, which no floor plan can hold, are red.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PACKAGE = "edgeface.reference"
ARROW, BACK = "#8a94a6", "#d62728"

Edges = Counter[tuple[str, str]]


def count_imports(folder: Path) -> tuple[set[str], Edges]:
    """The rooms in a folder, and how many modules of one import from another."""
    rooms: set[str] = set()
    edges: Edges = Counter()
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        if room != "__init__":
            rooms.add(room)
            edges.update((room, other) for other in _imported(path) - {room})
    return rooms, Counter({edge: n for edge, n in edges.items() if edge[1] in rooms})


def _imported(path: Path) -> set[str]:
    """The rooms from which a module imports, inside its functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= _rooms([node.module])
        elif isinstance(node, ast.Import):
            found |= _rooms([alias.name for alias in node.names])
    return found


def _rooms(modules: list[str]) -> set[str]:
    prefix = PACKAGE + "."
    return {m.removeprefix(prefix).split(".")[0] for m in modules if m.startswith(prefix)}


def find_circles(rooms: set[str], edges: Edges) -> dict[str, frozenset[str]]:
    """For each room, all rooms that it reaches and that reach it, itself included."""
    reach = {room: {room} for room in rooms}
    for _ in rooms:
        for a, b in edges:
            reach[a] |= reach[b]
    return {a: frozenset(b for b in reach[a] if a in reach[b]) for a in rooms}


def find_floors(rooms: set[str], edges: Edges) -> dict[str, int]:
    """The floor of each room: one above the highest that it imports; a circle shares one."""
    circles = find_circles(rooms, edges)
    below: dict[frozenset[str], set[frozenset[str]]] = {c: set() for c in circles.values()}
    for a, b in edges:
        if circles[a] != circles[b]:
            below[circles[a]].add(circles[b])
    floors: dict[frozenset[str], int] = {}
    for circle in TopologicalSorter(below).static_order():
        floors[circle] = max((floors[lower] + 1 for lower in below[circle]), default=0)
    return {room: floors[circles[room]] for room in rooms}


def draw(folder: Path, out: Path) -> None:
    """Draw the rooms of a folder and their imports into a picture."""
    rooms, edges = count_imports(folder)
    floors, circles = find_floors(rooms, edges), find_circles(rooms, edges)
    levels = range(max(floors.values()) + 1)
    rows = [sorted(r for r in rooms if floors[r] == level) for level in levels]
    width = max(len(row) for row in rows)
    # every other floor stands a little to the side, lest arrows run through the rooms between
    place = {
        room: ((k + 0.5) * width / len(row) + 0.12 * width * (level % 2), level)
        for level, row in enumerate(rows)
        for k, room in enumerate(row)
    }
    figure, axis = plt.subplots(figsize=(max(7.0, 1.7 * width), 1.0 + 0.95 * len(rows)), dpi=100)
    axis.set(xlim=(-0.1, 1.1 * width + 0.1), ylim=(-0.6, len(rows) - 0.4))
    axis.axis("off")
    backs = sum(circles[a] == circles[b] for a, b in edges)
    title = f"{len(rooms)} rooms, {len(rows)} floors, {backs} arrows within circles"
    axis.set_title(title, fontsize=10)
    figure.tight_layout()
    labels = {
        room: axis.text(*at, room, ha="center", va="center", fontsize=10, zorder=3,
                        bbox={"boxstyle": "round,pad=0.4", "fc": "#eef2f8", "ec": "#3b4a63"})
        for room, at in place.items()
    }  # fmt: skip
    figure.canvas.draw()  # which gives the labels their sizes, so that arrows end at them
    for (a, b), count in sorted(edges.items()):
        back = circles[a] == circles[b]
        bend = 0.25 if back else 0.12 * (floors[a] - floors[b] - 1)
        axis.annotate(
            "", place[b], place[a],
            arrowprops={"arrowstyle": "-|>", "color": BACK if back else ARROW,
                        "lw": 0.6 + 0.12 * count, "connectionstyle": f"arc3,rad={bend:.2f}",
                        "patchA": labels[a].get_bbox_patch(), "patchB": labels[b].get_bbox_patch(),
                        "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip
    figure.savefig(out)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw which rooms of reference/ import which.")
    parser.add_argument("out", type=Path, help="the picture to write, .png or .svg")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(__file__).parents[1] / "reference",
        help="the folder whose rooms are drawn (default: reference/ of this checkout)",
    )
    arguments = parser.parse_args()
    draw(arguments.folder, arguments.out)
