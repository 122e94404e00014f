"""The characters of the live page and of the page of a take, in Node, where nothing is drawn."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from edgeface.gltf_writer import GltfWriter
from edgeface.video.live import ASSETS

SCRIPT = """
import { readFileSync } from "node:fs";
globalThis.self = globalThis;
const { parse, Puppet } = await import("./puppet.js");
const { buffer } = new Uint8Array(readFileSync("it.glb"));
const { node } = new Puppet(await parse(buffer), { head: 2 }).bones.head;
console.log(JSON.stringify({ kind: node.type, below: node.parent.name }));
"""


def test_of_two_nodes_of_one_name_the_meant_one_turns(tmp_path):
    """three.js gives the second another name."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
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
    (tmp_path / "it.glb").write_bytes(content)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("three.js", "puppet.js"):
        shutil.copy(ASSETS / name, tmp_path)
    (tmp_path / "try.js").write_text(SCRIPT)
    done = subprocess.run([node, "try.js"], cwd=tmp_path, capture_output=True, text=True)
    assert json.loads(done.stdout or "{}") == {"kind": "Object3D", "below": "Neck"}, done.stderr
