"""The HTTP side of the service: routes, and how a request becomes an answer."""

import asyncio
import hmac
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

import ricercar
from ricercar.data.audio.sound import Sound
from ricercar.data.scratch import NoRoomError
from ricercar.use.events import Event
from ricercar.use.model import Model
from ricercar.use.serve import answers, page, upload
from ricercar.use.serve.batches import Batches, Estimates
from ricercar.use.serve.limits import Gate, Limits, RefusedError
from ricercar.use.serve.view import shown

log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.1  # how often progress is told, and whether the client is still there
_READERS = 2  # recordings that are decoded, or drawn, at once
_NOT_KEPT = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Service:
    """Models that are loaded, and the requests for them. token: what a client has to know; None: nothing."""

    def __init__(self, models: Mapping[str, Model], limits: Limits, token: str | None) -> None:
        self.models, self.limits, self.token = dict(models), limits, token
        self.gate = Gate(limits)
        self.batches: dict[str, Batches] = {}
        self.readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """With the threads that compute, until all requests are answered."""
        self.batches = {name: Batches(model) for name, model in self.models.items()}
        try:
            yield
        finally:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for each in self.batches.values():
            each.close()
        self.readers.shutdown()

    def chosen(self, name: str | None) -> str:
        """RefusedError 404 where there is no such model, 400 where there are several and none is named."""
        if name is None and len(self.models) == 1:
            return next(iter(self.models))
        if name is None:
            raise RefusedError(400, f"Say which model: ?model=NAME, one of {', '.join(self.models)}.")
        if name not in self.models:
            raise RefusedError(404, f"There is no model {name!r}: choose one of {', '.join(self.models)}.")
        return name

    async def check_token(self, request: Request) -> None:
        """RefusedError 401 without the token."""
        given = request.headers.get("authorization", "")
        if self.token is not None and not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise RefusedError(401, "Give the token of this service: Authorization: Bearer TOKEN.")


@dataclass(frozen=True)
class Underway:
    """How far a request is. progress: from 0 to 1. events: that became certain since the last time."""

    progress: float
    seconds: float
    events: list[Event]


@dataclass(frozen=True)
class Done:
    """What a request has come to."""

    sound: Sound
    estimates: Estimates


async def steps(service: Service, request: Request, name: str, telling: bool) -> AsyncGenerator[Underway | Done, None]:
    """The life of a request: how far it is now and then, and what it has come to. telling: events, too, on the way.

    Nothing is computed for it any more once it is left, or once its client is gone. RefusedError: 400, 413, 429, 500,
    503, 504.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + service.limits.timeout_s
    late = RefusedError(504, f"It takes longer than {service.limits.timeout_s:g} s, which is not allowed here.")
    with service.gate.entered(request.client.host if request.client else ""):
        try:
            async with asyncio.timeout_at(deadline):
                file = await upload.received(request, service.limits)
                reading = partial(upload.read, file, service.models[name].sample_rate, service.limits)
                sound = await loop.run_in_executor(service.readers, reading)
        except TimeoutError as error:
            raise late from error
        job = service.batches[name].add(sound, telling)
        estimates = asyncio.wrap_future(job.estimates)
        try:
            while not estimates.done():
                yield Underway(job.progress, sound.duration_s, _taken(job.told))
                await asyncio.wait([estimates], timeout=_LOOK_EVERY_S)
                if await request.is_disconnected():
                    raise ClientDisconnect
                if loop.time() > deadline:
                    raise late
            if isinstance(estimates.exception(), NoRoomError):
                raise upload.no_room()
            if estimates.exception() is not None:
                raise RefusedError(500, "The model failed on this recording. The log of the service says why.")
            yield Underway(1.0, sound.duration_s, _taken(job.told))
            yield Done(sound, estimates.result())
        finally:
            job.estimates.cancel()


def _taken(told: deque[Event]) -> list[Event]:
    return [told.popleft() for _ in range(len(told))]


class _Events(StreamingResponse):
    """Server-sent events of a request that has begun, which is left when its client is."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, media_type=answers.EVENTS, headers=_NOT_KEPT)
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.events):
            await super().__call__(scope, receive, send)


def make(service: Service) -> FastAPI:
    """The application of a service."""
    app = FastAPI(
        title="Ricercar",
        version=ricercar.__version__,
        description="Music in recordings, as trained models of Ricercar hear it.",
        docs_url=None,  # FastAPI's own page loads its scripts from elsewhere
        redoc_url=None,
        lifespan=service.running,
        exception_handlers={RefusedError: _refused, HTTPException: _refused_by_starlette, ClientDisconnect: _gone},
    )
    guarded = [Depends(service.check_token)]

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether it works, and how much there is to do."""
        inside, most = service.gate.inside.total(), service.limits.num_requests
        return {"status": "ok", "version": ricercar.__version__, "requests": inside, "requests_at_most": most}

    @app.get("/models", dependencies=guarded)
    async def models() -> list[dict[str, Any]]:
        """What there is to choose: names, tasks, scores, the media types that each answers in, and the tasks whose
        events are told as soon as they are certain.
        """
        return [
            {**model.describe(), "name": name, "answers": answers.offered(model), "told": answers.told(model)}
            for name, model in service.models.items()
        ]

    @app.post("/transcribe", dependencies=guarded, response_class=Response, **answers.DESCRIPTION)
    async def transcribe(
        request: Request,
        model: Annotated[str | None, Query(description="Its name, where there are several.")] = None,
        view: Annotated[bool, Query(description="Adds what the page draws to JSON and to events.")] = False,
    ) -> Response:
        """What a model hears in the recording that is sent, in the form that `Accept` names."""
        name = service.chosen(model)
        offered = answers.offered(service.models[name])
        media_type = answers.accepted(request.headers.get("accept", ""), offered)
        way = steps(service, request, name, media_type == answers.EVENTS)
        if media_type == answers.EVENTS:
            return _Events(_events(service, name, way, await anext(way), view))
        async with aclosing(way):
            *_, done = [step async for step in way]
        assert isinstance(done, Done)
        if media_type != answers.JSON:
            return Response(answers.file(media_type, done.estimates, done.sound.duration_s), media_type=media_type)
        return JSONResponse(await _content(service, name, done, view))

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        text, headers = page.index(service.models, service.limits, service.token is not None)
        return HTMLResponse(text, headers=headers)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        text, headers = page.docs(app.openapi())
        return HTMLResponse(text, headers=headers)

    return app


async def _events(
    service: Service, name: str, way: AsyncGenerator[Underway | Done, None], first: Underway | Done, view: bool
) -> AsyncGenerator[str, None]:
    """progress: {progress, seconds}. event: {task, event, time_s ...}, as soon as it is certain. estimate: {task, kind,
    events ...}, for each task. end: what is left. error: {detail}.
    """
    async with aclosing(way):
        step: Underway | Done = first
        told = -1.0
        try:
            while not isinstance(step, Done):
                if step.progress > told:
                    yield _event("progress", {"progress": round(step.progress, 4), "seconds": round(step.seconds, 3)})
                if step.events:
                    yield "".join(_event("event", each) for each in step.events)
                told, step = step.progress, await anext(way)
            content = await _content(service, name, step, view)
        except RefusedError as error:
            yield _event("error", {"status": error.status, "detail": error.detail})
            return
        for task, estimate in content.pop("estimates").items():
            yield _event("estimate", {"task": task, **estimate})
        yield _event("end", content)


async def _content(service: Service, name: str, done: Done, view: bool) -> dict[str, Any]:
    content = answers.whole(name, done.sound, done.estimates)
    if view:
        drawing = partial(shown, service.models[name], done.sound, done.estimates)
        content |= await asyncio.get_running_loop().run_in_executor(service.readers, drawing)
    return content


def _event(kind: str, content: Mapping[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(content, allow_nan=False)}\n\n"


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == 413:
        headers["Connection"] = "close"  # what comes of the body is not read
    return JSONResponse({"detail": error.detail}, error.status, headers)


async def _refused_by_starlette(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


async def _gone(_: Request, error: Exception) -> Response:
    """Nobody reads it."""
    return Response(status_code=499)
