"""What PyInstaller is told of edgeface, by the entry point ``pyinstaller40``."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """The folders of hooks: this one."""
    return [str(Path(__file__).parent)]
