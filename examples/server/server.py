"""A small HTTP server that finds the faces of the photos sent to it.

    pip install 'edgeface[onnx,fast]' fastapi uvicorn
    uvicorn server:app --port 8000
    curl --data-binary @photo.jpg 'http://localhost:8000/faces?max_faces=20'

Whatever is sent, a request costs no more than `Limits` allows: bytes, pixels, requests that wait,
and time. There is no log-in and no encryption: put it behind a server that has them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from starlette.requests import ClientDisconnect

import edgeface
from edgeface import pictures


@dataclass(frozen=True)
class Limits:
    """What one server takes on.

    Attributes
    ----------
    max_bytes : of a photo; larger ones are refused with 413
    max_pixels : of a photo; larger ones are refused with 422, by their header alone
    at_once : photos in which faces are looked for at the same time
    waiting : photos that wait for their turn besides; further ones are refused with 503
    seconds : after which a photo that has not arrived is given up with 408, and one that waits or
        is looked at with 504
    """

    max_bytes: int = 10 << 20
    max_pixels: int = 50_000_000
    at_once: int = 2
    waiting: int = 16
    seconds: float = 10.0


def load_model() -> edgeface.Model:
    """The networks that ship; "full" detail is left out, since its cost has no bound."""
    return edgeface.load("mfn", refine="sfn", num_threads=1)


def create_app(
    load: Callable[[], edgeface.Model] = load_model, limits: Limits | None = None
) -> FastAPI:
    """The server; the model is loaded once, when it starts."""
    desk = Desk(limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pictures.MAX_PIXELS = desk.limits.max_pixels  # of all that this process reads
        with load() as desk.model:
            yield

    app = FastAPI(title="edgeface", lifespan=lifespan)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether it is up, and how busy."""
        return {"model": desk.model.metadata.name, "busy": desk.busy}

    @app.post("/faces")
    async def faces(
        request: Request,
        max_faces: Annotated[int, Query(ge=1, le=1000)] = 100,
        score_threshold: Annotated[float | None, Query(ge=0, le=1)] = None,
        detail: Literal["auto", "fast"] = "auto",
    ) -> dict[str, Any]:
        """The faces of the photo that is the request's body, as `edgeface.Faces.to_dict` tells."""
        content = await body_of(request, desk.limits)
        found = await desk.find(
            content, max_faces=max_faces, score_threshold=score_threshold, detail=detail
        )
        return {"faces": found.to_dict(), "truncated": found.truncated}

    return app


class Desk:
    """Takes photos in turn: so many at once, so many in the queue, no more."""

    model: edgeface.Model

    def __init__(self, limits: Limits) -> None:
        self.limits, self.busy = limits, 0
        self._turns = asyncio.Semaphore(limits.at_once)

    async def find(self, content: bytes, **options: Any) -> edgeface.Faces:
        """The faces of a photo.

        A run that is given up goes on in its thread, and holds its turn until it ends: so many
        threads as there are turns, never more.
        """
        if self.busy >= self.limits.at_once + self.limits.waiting:
            raise HTTPException(503, "too many photos at once", headers={"Retry-After": "1"})
        self.busy += 1
        run = asyncio.create_task(self._run(content, **options))
        try:
            return await asyncio.wait_for(asyncio.shield(run), self.limits.seconds)
        except TimeoutError as error:
            # nobody else will ask how it ended
            run.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise HTTPException(504, f"gave up after {self.limits.seconds:g} s") from error
        except edgeface.EdgeFaceError as error:
            raise HTTPException(422, str(error)) from error

    async def _run(self, content: bytes, **options: Any) -> edgeface.Faces:
        try:
            async with self._turns:
                return await self.model.run_async(content, **options)
        finally:
            self.busy -= 1


async def body_of(request: Request, limits: Limits) -> bytes:
    """The request's body; of one that is too large or too slow, no more than the limits allow."""
    content = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                content += part
                if len(content) > limits.max_bytes:
                    raise HTTPException(413, f"a photo may have {limits.max_bytes:,} bytes")
    except TimeoutError as error:
        raise HTTPException(408, f"no whole photo came in {limits.seconds:g} s") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the photo was cut off") from error
    return bytes(content)


app = create_app()
