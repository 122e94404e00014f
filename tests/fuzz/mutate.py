"""Ways to damage a file: bytes anywhere, members of a zip, values of a JSON tree."""

from __future__ import annotations

import io
import json
import zipfile

INTERESTING = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
VALUES = [
    None, True, False, 0, -1, 1, 31, 33, 0.5, -5, 1e308, -1e308, 10**17, 2**31, "", "x", "a" * 300,
    "\x1b[2J", "\u202e", [], [1], [[1]], [[]], {}, {"a": 1}, ["a"] * 46, [1] * 46,
]  # fmt: skip
TEXTS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "1" * 400,
    "[" * 5000,
    '"\\ud800"',
    "{",
    "",
    "nul",
]


def mutated_bytes(data, random):
    """One to four changes at random places; the ends of a file hold its structure."""
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        if not changed:
            return b""
        near_an_end = random.random() < 0.5
        reach = min(len(changed), 4096) if near_an_end else len(changed)
        place = int(random.integers(reach))
        place = len(changed) - 1 - place if random.random() < 0.5 else place
        length = int(min(1 << random.integers(0, 9), len(changed) - place))
        way = random.integers(8)
        if way == 0:
            changed[place] ^= 1 << random.integers(8)
        elif way == 1:
            changed[place : place + length] = random.bytes(length)
        elif way == 2:
            del changed[place:]
        elif way == 3:
            del changed[place : place + length]
        elif way == 4:
            changed[place:place] = random.bytes(length)
        elif way == 5:
            changed[place:place] = changed[place : place + length]
        elif way == 6:
            number = INTERESTING[random.integers(len(INTERESTING))]
            order = ["little", "big"][random.integers(2)]
            changed[place : place + 4] = number.to_bytes(4, order)
        else:
            other = int(random.integers(len(changed)))
            changed[place : place + length] = changed[other : other + length]
    return bytes(changed)


def mutated_zip(data, random):
    """A member's content changed, with sizes and check sums that are right; or only bytes."""
    if random.random() < 0.3:
        return mutated_bytes(data, random)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        members = source.infolist()
        chosen = members[random.integers(len(members))].filename
        way = random.integers(5)
        for info in members:
            content = source.read(info)
            if info.filename == chosen:
                if way == 0:
                    continue
                content = mutated_bytes(content, random)
                if way == 1:
                    target.writestr(info.filename + "x", content)
                    continue
            target.writestr(info.filename, content, info.compress_type)
    return buffer.getvalue()


def mutated_json(text, random):
    """A value of the tree replaced, removed, or its text made what no JSON is."""
    tree = json.loads(text)
    places = list(_places(tree))
    for _ in range(int(random.integers(1, 4))):
        node, key = places[random.integers(len(places))]
        way = random.integers(6)
        if way == 0 and isinstance(node, dict):
            node.pop(key, None)
        elif way == 1:
            _put(node, key, "\x00raw\x00")
        elif way == 2 and isinstance(node, dict):
            node[f"{key} "] = node.get(key)
        else:
            _put(node, key, VALUES[random.integers(len(VALUES))])
    changed = json.dumps(tree)
    return changed.replace('"\\u0000raw\\u0000"', TEXTS[random.integers(len(TEXTS))]).encode()


def _put(node, key, value):
    if isinstance(node, dict) or (isinstance(key, int) and key < len(node)):
        node[key] = value


def _places(node):
    """Every (container, key) of a tree."""
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(entries):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from _places(value)
