"""Addresses of the web and of cameras: what is said of them, and what is not."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

_SCHEME = r"(?:[a-z][a-z0-9+.-]+://|https?:/)"
"""How an address begins; with one slash, too, as `pathlib` spells addresses that are no files."""
_BEFORE_QUERY = re.compile(_SCHEME + "[^?#]*", re.IGNORECASE)
_IN_TEXT = re.compile(_SCHEME + r"\S+", re.IGNORECASE)
_FILE = re.compile(r"file:(?://(?:localhost)?)?(/(?!/).*)", re.IGNORECASE | re.DOTALL)
_PASSWORD = re.compile(r"(:/{1,3}[^/@:\s]*):[^/\s]*@")
_TOKEN = re.compile(r"(:/{1,3})[^/@:\s]+@")


def is_web_address(text: str) -> bool:
    """Whether a text is an ``http`` or ``https`` address (`edgeface.web`)."""
    return text[:8].lower().startswith(("http://", "https://"))


def local_name(name: str) -> str:
    """The path that a ``file:`` address names, as file managers copy it; other names stay.

    Examples
    --------
    >>> local_name("file:///home/me/my%20clip.mp4")
    '/home/me/my clip.mp4'
    >>> local_name("https://bucket.example/a.jpg")
    'https://bucket.example/a.jpg'
    """
    found = _FILE.fullmatch(name)
    if found is None:
        return name
    path = unquote(found[1], errors="surrogateescape")
    return path[1:] if os.name == "nt" and path[2:3] == ":" else path


def without_secrets(name: str) -> str:
    """The name of a source as messages, reports and recordings have it, which others may see.

    Of addresses, it leaves out the password, a user without one, and all that follows ``?`` or
    ``#``, since keys and tokens stand there. Other names stay.

    Examples
    --------
    >>> without_secrets("rtsp://admin:secret@10.0.0.9:554/door?mode=a@b")
    'rtsp://admin:***@10.0.0.9:554/door?***'
    >>> without_secrets("https://bucket.example/a.jpg?X-Amz-Signature=5f3a")
    'https://bucket.example/a.jpg?***'
    >>> without_secrets("clips/a:b@c.mp4")
    'clips/a:b@c.mp4'
    """
    start = _BEFORE_QUERY.match(name)
    if start is None:
        return name
    place, query = start[0], name[start.end() :]
    for pattern, instead in ((_PASSWORD, r"\1:***@"), (_TOKEN, r"\1***@")):
        if pattern.search(place):
            place = pattern.sub(instead, place)
            break
    return place + (query[0] + "***" if len(query) > 1 else query)


def text_without_secrets(text: str) -> str:
    """A text with each address in it as `without_secrets` has it.

    Examples
    --------
    >>> text_without_secrets("moved to 'https://b.example/a?key=1', which is gone")
    "moved to 'https://b.example/a?***', which is gone"
    """

    def hidden(found: re.Match[str]) -> str:
        address = found[0].rstrip(",.;:'\")]>")
        return without_secrets(address) + found[0][len(address) :]

    return _IN_TEXT.sub(hidden, text)
