"""Who may be served now, how much may be sent, and how long it may take."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class RefusedError(Exception):
    """A request that is answered by an HTTP status and one sentence. retry_after_s: when to come again."""

    def __init__(self, status: int, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry_after_s = status, detail, retry_after_s


@dataclass(frozen=True)
class Limits:
    """num_requests: recordings at once, of all clients; num_per_client: of one address."""

    max_mb: float
    max_minutes: float
    num_requests: int
    num_per_client: int
    timeout_s: float

    @property
    def max_bytes(self) -> int:
        return int(self.max_mb * 1e6)

    @property
    def max_s(self) -> float:
        return self.max_minutes * 60


class Gate:
    """Counts requests that are worked on."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.inside: Counter[str] = Counter()

    @contextmanager
    def entered(self, client: str) -> Iterator[None]:
        """While a request is worked on. RefusedError 429 where its client has too many already, 503 where all have."""
        if self.inside[client] >= self.limits.num_per_client:
            raise RefusedError(429, f"{self.limits.num_per_client} of your requests are worked on: wait for one.", 1)
        if self.inside.total() >= self.limits.num_requests:
            raise RefusedError(503, f"{self.limits.num_requests} requests are worked on, which is all there can be.", 5)
        self.inside[client] += 1
        try:
            yield
        finally:
            self.inside[client] -= 1
            self.inside += Counter()  # forgets who has none
