"""The characters of the live page and of the page of a take, in Node, where nothing is drawn."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from edgeface.gltf_writer import GltfWriter
from edgeface.video.live import ASSETS

TURNS = """
import { readFileSync } from "node:fs";
globalThis.self = globalThis;
const { parse, Puppet } = await import("./puppet.js");
const { buffer } = new Uint8Array(readFileSync("it.glb"));
const { node } = new Puppet(await parse(buffer), { head: 2 }).bones.head;
console.log(JSON.stringify({ kind: node.type, below: node.parent.name }));
"""

FADES = """
import { readFileSync } from "node:fs";
globalThis.self = globalThis;
const { parse, Puppet } = await import("./puppet.js");
const { buffer } = new Uint8Array(readFileSync("it.glb"));
const puppet = new Puppet(await parse(buffer), {});
const told = [];
for (const shapes of [{ jawOpen: 0.5, mouthLeft: 0.25 }, { mouthLeft: 0.25 }]) {
  puppet.show({ shapes, bones: {} });
  told.push([...puppet.meshes[0].morphTargetInfluences]);
}
console.log(JSON.stringify(told));
"""

BLENDS = """
import { readFileSync } from "node:fs";
globalThis.self = globalThis;
const { parse, Puppet } = await import("./puppet.js");
const { buffer } = new Uint8Array(readFileSync("it.glb"));
const gltf = await parse(buffer), happy = { overrideBlink: "block", overrideMouth: "none" };
const expressionManager = { expressions: [happy] };
gltf.userData.vrm = { scene: gltf.scene, meta: { metaVersion: "1" }, expressionManager };
new Puppet(gltf, {});
console.log(JSON.stringify(happy));
"""


def played(script, content, folder):
    """What a script tells of a character, whose file's content is given."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    (folder / "it.glb").write_bytes(content)
    (folder / "package.json").write_text('{"type": "module"}')
    for name in ("three.js", "puppet.js"):
        shutil.copy(ASSETS / name, folder)
    (folder / "try.js").write_text(script)
    done = subprocess.run([node, "try.js"], cwd=folder, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_of_two_nodes_of_one_name_the_meant_one_turns(tmp_path):
    """three.js gives the second another name."""
    writer = GltfWriter()
    corners = writer.array(np.eye(3, dtype=np.float32), "VEC3", bounds=True)
    content = writer.finish(
        {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0, 1]}],
            "nodes": [
                {"name": "Head", "mesh": 0},
                {"name": "Neck", "children": [2]},
                {"name": "Head"},
            ],
            "meshes": [{"name": "Head", "primitives": [{"attributes": {"POSITION": corners}}]}],
        }
    )
    assert played(TURNS, content, tmp_path) == {"kind": "Object3D", "below": "Neck"}


def _talking():
    """A character with two shapes."""
    writer = GltfWriter()
    corners = writer.array(np.eye(3, dtype=np.float32), "VEC3", bounds=True)
    face = {"attributes": {"POSITION": corners}, "targets": [{"POSITION": corners}] * 2}
    names = {"targetNames": ["jawOpen", "mouthLeft"]}
    return writer.finish(
        {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [face], "extras": names}],
        }
    )


def test_what_is_not_seen_any_more_is_at_rest_on_the_page(tmp_path):
    assert played(FADES, _talking(), tmp_path) == [[0.5, 0.25], [0, 0.25]]


def test_a_trace_of_an_expression_blocks_no_other_on_the_page(tmp_path):
    told = played(BLENDS, _talking(), tmp_path)
    assert told == {"overrideBlink": "blend", "overrideMouth": "none"}
