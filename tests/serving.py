"""The service in this process, and clients of it."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn

from ricercar.use.model import Model
from ricercar.use.serve.app import Service, make
from ricercar.use.serve.limits import Limits

LIMITS = {"max_mb": 2.0, "max_minutes": 0.5, "num_requests": 16, "num_per_client": 16, "timeout_s": 30.0}


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def events(self) -> list[tuple[str, Any]]:
        """(kind, content) of server-sent events."""
        parts = [part.split("\n") for part in self.content.decode().split("\n\n") if part]
        return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in parts]


class Running(NamedTuple):
    """A service that listens."""

    service: Service
    port: int

    def ask(self, path: str, body: Any = None, method: str | None = None, **headers: str) -> Answer:
        """header names: with _ in place of -. body: bytes, or an iterator of them, which is sent in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if body is None else "POST"), path, body, names)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def is_idle(self) -> bool:
        """Whether nothing is worked on, and nothing waits."""
        return not self.service.gate.inside.total() and not any(each.waiting for each in self.service.batches.values())


@contextmanager
def served(models: dict[str, Model], token: str | None = None, **limits: float) -> Iterator[Running]:
    service = Service(models, Limits(**{**LIMITS, **limits}), token)  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(make(service), port=0, log_config=None, lifespan="on"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield Running(service, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def until(so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for it."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def form(content: bytes, name: str = "file") -> tuple[bytes, str]:
    """-> the body of a form with a file, and its content type."""
    head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="song.wav"\r\n\r\n'
    return head.encode() + content + b"\r\n--xyz--\r\n", "multipart/form-data; boundary=xyz"
