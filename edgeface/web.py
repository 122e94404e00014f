"""Fetching a picture from the web by the standard library, and no farther than was asked.

This program fetches from wherever it can reach. Whoever serves strangers should fetch the addresses
that they name elsewhere, and pass the bytes on: one may name a machine of the own network.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
import string
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from edgeface.addresses import is_web_address, text_without_secrets, without_secrets
from edgeface.errors import InvalidInputError
from edgeface.image_files import HEAD_BYTES, format_of
from edgeface.terminal import printable
from edgeface.waiting import within

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

    A user and password in the address are sent as HTTP's basic authentication, and to no other
    address to which the server redirects.

    Raises
    ------
    InvalidInputError
        If it cannot be fetched, is larger than `MAX_BYTES`, or takes longer than `MAX_SECONDS`; if
        it is redirected more than `MAX_REDIRECTS` times, to anything but ``http`` and ``https``, or
        from a public machine to one of a private network.
    """
    try:  # servers may trickle their headers, and names may take for ever to be resolved
        return within(MAX_SECONDS, lambda: _fetched(address), "fetch")
    except TimeoutError:
        raise _refusal(address, f"it took longer than {MAX_SECONDS:g} s") from None


def _fetched(address: str) -> bytes:
    until = time.monotonic() + MAX_SECONDS
    try:
        request = _request(address)
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


def _request(address: str) -> urllib.request.Request:
    """Ask for an address as people write it: with a user and password, and in any script.

    Raises
    ------
    ValueError
        If it cannot be one.
    """
    parts = urlsplit(address)
    user, _, machine = parts.netloc.rpartition("@")
    machine = machine.encode("idna").decode("ascii")
    plain = urlunsplit((parts.scheme, machine, parts.path, parts.query, ""))
    request = urllib.request.Request(
        quote(plain, safe=string.punctuation), headers={"User-Agent": "edgeface"}
    )
    if user:
        given = base64.b64encode(unquote(user).encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {given}")
    return request


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
    inf_msg = "after too many redirects: "

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            check_redirect(req.full_url, newurl)
        except InvalidInputError:
            fp.close()
            raise
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
    """An error of one line that commands no terminal, whatever the server says."""
    said = " ".join(printable(text_without_secrets(str(reason))).split())
    return InvalidInputError(f"{without_secrets(address)} could not be fetched: {said}")
