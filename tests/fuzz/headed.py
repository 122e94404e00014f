"""Files of a JSON header and bytes: personal models and characters; and ranges of people."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np

from tests.fuzz.mutate import mutated_bytes, mutated_json


def personal(_):
    """A person of the template that ships."""
    from edgeface.personal.model import PersonalModel
    from edgeface.personal.template import default_template

    template = default_template()
    count = len(template.expression)
    person = PersonalModel(
        template=template,
        identity=np.zeros(50, np.float32),
        neutral=np.zeros((3, 64, 64), np.float32),
        shapes=np.zeros((count, 3, 64, 64), np.float32),
        skin=np.full((128, 128, 3), 0.5, np.float32),
        dynamic_skin=np.zeros((count, 64, 64, 3), np.float32),
        unseen=(template.expression_names[0],),
        report={"frames": 1, "warnings": ["a"], "refused": {"b": 2}, "seconds": 3.0},
    )
    return [person.to_bytes()]


def mutated_personal(data, random):
    """The header changed, and the hash with it; or only bytes."""
    if random.random() < 0.3:
        return mutated_bytes(data, random)
    size = int.from_bytes(data[40:44], "little")
    text = mutated_json(data[44 : 44 + size], random)
    body = len(text).to_bytes(4, "little") + text + data[44 + size :]
    return data[:8] + hashlib.sha256(body).digest() + body


def read_personal(path):
    """A face of it."""
    from edgeface.personal.model import PersonalModel

    person = PersonalModel.load(path)
    assert np.isfinite(person.shape({"jawOpen": 0.5})).all()
    assert np.isfinite(person.albedo({"jawOpen": 0.5})).all()


def characters(_):
    """The head that ships, of three shapes, and a VRM of it."""
    from edgeface.retarget.head import head_glb

    head = head_glb()
    tree, rest = _parts(head)
    mesh = next(number for number, node in enumerate(tree["nodes"]) if "mesh" in node)
    tree["extensions"] = {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "humanoid": {"humanBones": {"head": {"node": mesh}}},
            "expressions": {
                "preset": {"aa": {"morphTargetBinds": [{"node": mesh, "index": 0, "weight": 1.0}]}}
            },
        }
    }
    return [head, _joined(json.dumps(tree).encode(), rest)]


def mutated_character(data, random):
    """Its JSON changed; or only bytes."""
    if random.random() < 0.3:
        return mutated_bytes(data, random)
    tree, rest = _parts(data)
    return _joined(mutated_json(json.dumps(tree), random), rest)


def read_character(path):
    """The character, the mapping for it, and two frames of a performance."""
    from edgeface.recording import Performance
    from edgeface.retarget import character, write_gltf
    from edgeface.retarget.presets import choose_preset

    found = character.read_character(path)
    choose_preset(found.shapes, path.name)
    turns = np.tile([1.0, 0, 0, 0], (2, 1))
    shapes = [{"jawOpen": 0.0}, {"jawOpen": 1.0}]
    frames = np.arange(2)
    performance = Performance(
        1, frames / 30, frames, turns, np.zeros((2, 46)), np.eye(50)[0], shapes
    )
    write_gltf(path.with_name("out.glb"), path, performance)


def ranges(folder):
    """What `edgeface calibrate` keeps."""
    from edgeface.retarget.reach import learn_range

    times = np.arange(60) / 30
    shapes = [{"jawOpen": float(t % 1), "eyeBlinkLeft": float(t % 0.5)} for t in times]
    path = folder / "me.json"
    learn_range(times, shapes, np.tile([1.0, 0, 0, 0], (60, 1)), None).save(path)
    return [path.read_bytes()]


def read_range(path):
    """A value within the range."""
    from edgeface.retarget import reach

    assert np.isfinite(reach.read_range(path)("jawOpen", 0.5))


def _parts(data):
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + size]), data[20 + size :]


def _joined(text, rest):
    text += b" " * (-len(text) % 4)
    head = struct.pack("<IIIII", 0x46546C67, 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
    return head + text + rest
