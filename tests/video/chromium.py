"""A headless Chromium that is told what to do by its DevTools protocol."""

import base64
import contextlib
import json
import shutil
import subprocess
import time

import pytest

BINARY = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


class Browser:
    """One page of a browser."""

    def __init__(self, socket):
        self._socket, self._number = socket, 0

    def do(self, method, **values):
        """Call a method of the protocol and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": values}))
        while True:
            answer = json.loads(self._socket.recv(timeout=180))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script):
        """The value of a script, a promise's once it is there."""
        found = self.do(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script, seconds=60):
        """Wait until a script gives something true, on a page that may still be loading."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(f"(() => {{ try {{ return {script}; }} catch {{}} }})()")):
            assert time.monotonic() < deadline, script
            time.sleep(0.05)
        return value

    def screenshot(self):
        """The page as the bytes of a PNG."""
        return base64.b64decode(self.do("Page.captureScreenshot", format="png")["data"])


@contextlib.contextmanager
def browser(address, folder, size=(1280, 720)):
    """A `Browser` that shows an address; skips where there is no Chromium."""
    client = pytest.importorskip("websockets.sync.client")
    if not BINARY:
        pytest.skip("needs Chromium")
    command = [
        BINARY, "--headless=new", "--no-sandbox", "--remote-debugging-port=0",
        f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}",
        "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage",
        "about:blank",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port_file, deadline = folder / "DevToolsActivePort", time.monotonic() + 60
            while not (port_file.exists() and len(port_file.read_text().splitlines()) > 1):
                assert time.monotonic() < deadline, "Chromium did not start"
                time.sleep(0.05)
            port, path = port_file.read_text().splitlines()[:2]
            root = f"ws://127.0.0.1:{port}"
            with client.connect(root + path, max_size=None) as whole:
                target = Browser(whole).do("Target.createTarget", url=address)["targetId"]
                with client.connect(f"{root}/devtools/page/{target}", max_size=None) as socket:
                    yield Browser(socket)
        finally:
            process.kill()
