"""Addresses of the web and of cameras: what is said of them, and what is not."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"([a-z][a-z0-9+.-]*://[^/?#@:\s]*):[^/?#\s]*@", re.IGNORECASE)


def is_web_address(text: str) -> bool:
    """Whether a text is an ``http`` or ``https`` address (`edgeface.web`)."""
    return text[:8].lower().startswith(("http://", "https://"))


def without_password(name: str) -> str:
    """The name of a source as messages, reports and recordings have it, which others may see.

    Addresses inside a longer text are found, too.

    Examples
    --------
    >>> without_password("rtsp://admin:secret@10.0.0.9:554/door?mode=a@b")
    'rtsp://admin:***@10.0.0.9:554/door?mode=a@b'
    >>> without_password("clips/a:b@c.mp4")
    'clips/a:b@c.mp4'
    """
    return _PASSWORD.sub(r"\1:***@", name)
