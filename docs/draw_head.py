"""Draw the head that ships in some poses, by the live page's three.js in a headless Chromium.

python -m docs.draw_head docs/images/head.png
"""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from edgeface.retarget.head import head_glb
from edgeface.video.live import ASSETS
from tests.video.chromium import browser

WIDTH, HEIGHT = 230, 260
POSES = (
    {"yaw": 0},
    {"yaw": 0, "eyeBlinkLeft": 1, "eyeBlinkRight": 1},
    {"yaw": 0, "eyes": 28, "eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7},
    {"yaw": 20, "jawOpen": 0.8, "browInnerUp": 0.8},
    {"yaw": 50, "mouthSmileLeft": 1, "mouthSmileRight": 1, "mouthUpperUpLeft": 0.5,
     "mouthUpperUpRight": 0.5, "jawOpen": 0.12},
    {"yaw": 150},
)  # fmt: skip
PAGE = """<!doctype html><body style="margin:0"><script type="module">
import {AmbientLight, Color, DirectionalLight, GLTFLoader, HemisphereLight, PerspectiveCamera,
  Scene, Vector3, WebGLRenderer} from "./three.js";
const poses = %s, [width, height] = [%d, %d], rad = Math.PI / 180;
const renderer = new WebGLRenderer({antialias: true, preserveDrawingBuffer: true});
renderer.setSize(width * poses.length, height);
renderer.setScissorTest(true);
document.body.append(renderer.domElement);
const scene = new Scene(), camera = new PerspectiveCamera(24, width / height, 0.01, 10);
const key = new DirectionalLight(0xffffff, 2.2), rim = new DirectionalLight(0x99bbff, 1.2);
scene.background = new Color(0x1d2027);
key.position.set(-1, 1.2, 2); rim.position.set(2, 0.3, -0.5);
scene.add(key, rim, new HemisphereLight(0xdde4ff, 0x443322, 0.7), new AmbientLight(0xffffff, 0.25));
const {scene: head} = await new GLTFLoader().loadAsync("head.glb");
scene.add(head);
poses.forEach((pose, column) => {
  head.traverse((part) => {
    for (const [name, k] of Object.entries(part.morphTargetDictionary || {}))
      part.morphTargetInfluences[k] = pose[name] || 0;
    if (part.name.endsWith("Eye")) part.rotation.y = (pose.eyes || 0) * rad;
  });
  camera.position.set(0.78 * Math.sin(pose.yaw * rad), 0.02, 0.78 * Math.cos(pose.yaw * rad));
  camera.lookAt(new Vector3(0, 0, 0.02));
  renderer.setViewport(column * width, 0, width, height);
  renderer.setScissor(column * width, 0, width, height);
  renderer.render(scene, camera);
});
document.body.dataset.done = renderer.domElement.toDataURL("image/png").length;
</script>"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the page and what it loads, without a word."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def draw(out: Path) -> None:
    """Write the poses side by side."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shutil.copy(ASSETS / "three.js", folder)
        (folder / "head.glb").write_bytes(head_glb())
        (folder / "index.html").write_text(PAGE % (json.dumps(POSES), WIDTH, HEIGHT))
        handler = functools.partial(Quiet, directory=name)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/index.html"
        size = (WIDTH * len(POSES), HEIGHT + 200)
        with browser(address, folder / "browser", size) as page:
            page.do("Emulation.setDeviceMetricsOverride", width=size[0], height=HEIGHT,
                    deviceScaleFactor=1, mobile=False)  # fmt: skip
            page.wait_for("document.body.dataset.done")
            out.write_bytes(page.screenshot())
        server.shutdown()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
