"""Programs that tests run in a process of their own."""

import subprocess
import sys


def run_code(code, **options):
    """Run Python code that must end well; what it writes is text in ``stdout`` and ``stderr``."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, **options
    )
