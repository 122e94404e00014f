"""Fetching a picture from the web by the standard library, and no farther than was asked.

This program fetches from wherever it can reach. Whoever serves strangers should fetch the addresses
that they name elsewhere, and pass the bytes on: one may name a machine of the own network.
"""

from __future__ import annotations

import ipaddress
import socket
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from edgeface.errors import InvalidInputError
from edgeface.image_files import HEAD_BYTES, format_of, is_web_address

MAX_BYTES = 1 << 27
"""The largest picture, 128 MiB."""
MAX_SECONDS = 30.0
"""The longest time from the request to the last byte."""
SILENCE_SECONDS = 10.0
"""How long a server may send nothing before it is given up."""
MAX_REDIRECTS = 5
CHUNK_BYTES = 1 << 16


def fetch(address: str) -> bytes:
    """Fetch a picture on the web; of anything else, only the first bytes.

    Raises
    ------
    InvalidInputError
        If it cannot be fetched, is larger than `MAX_BYTES`, or takes longer than `MAX_SECONDS`; if
        it is redirected more than `MAX_REDIRECTS` times, to anything but ``http`` and ``https``, or
        from a public machine to one of a private network.
    """
    until = time.monotonic() + MAX_SECONDS
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "edgeface"})
        with _opener().open(request, timeout=SILENCE_SECONDS) as response:
            return _content(response, address, until)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(address, f"the server says {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _refusal(address, error.reason) from error
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise _refusal(address, error) from error


def _content(response: Any, address: str, until: float) -> bytes:
    data = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        data += chunk
        if len(data) > MAX_BYTES:
            raise _refusal(address, f"it is larger than {MAX_BYTES >> 20} MiB")
        if time.monotonic() > until:
            raise _refusal(address, f"it took longer than {MAX_SECONDS:g} s")
        if len(data) >= HEAD_BYTES and format_of(bytes(data[:HEAD_BYTES])) is None:
            break
    return bytes(data)


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_redirect(req.full_url, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_redirect(source: str, target: str) -> None:
    """Raise InvalidInputError for a redirect that leads where the caller did not point.

    Whoever names a machine of a private network may be sent on within it. A public server may not
    send anybody there: it would make this program ask what the server itself cannot reach.
    """
    target = urljoin(source, target)
    if not is_web_address(target):
        raise _refusal(source, f"it is redirected to {target}, which is no web address")
    if is_private(target) and not is_private(source):
        raise _refusal(source, f"it is redirected to {target}, inside a private network")


def is_private(address: str) -> bool:
    """Whether the machine of an address is of no public network, by any of its numbers."""
    host = urlsplit(address).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # it cannot be reached either
        return False
    numbers = [str(entry[4][0]).partition("%")[0] for entry in found]
    return any(not ipaddress.ip_address(number).is_global for number in numbers)


def _opener() -> urllib.request.OpenerDirector:
    """Make an opener of web addresses alone; urllib's usual one reads files and FTP too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _refusal(address: str, reason: object) -> InvalidInputError:
    return InvalidInputError(f"{address} could not be fetched: {reason}")
