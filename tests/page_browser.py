"""A headless browser for tests of the leaderboard's page. RICERCAR_REQUIRE_BROWSER=1: fails where there is none."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from page_examples import make_content
from ricercar.comparison.page.render import render

REQUIRED = os.environ.get("RICERCAR_REQUIRE_BROWSER") == "1"
FLAGS = [
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking",
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required",
]
PHONE, WIDE = {"width": 360, "height": 740}, {"width": 1440, "height": 900}

Open = Callable[..., Any]


def launched() -> Iterator[Any]:
    """A fixture: a page of the browser."""
    if not REQUIRED:
        pytest.importorskip("playwright", reason="tests of the page need the package playwright")
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        message = "no Chromium on this machine: install Debian's package chromium to run the browser tests"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=" ".join(FLAGS).split())
        page = running.new_context().new_page()
        page.set_default_timeout(10_000)
        yield page
        running.close()


def shown(page: Any, tmp_path: Path) -> Iterator[Open]:
    """A fixture: show(content, excerpts, ...) -> page, always the same one. At the end: no error, and no request."""
    wrong: list[str] = []

    def show(
        content: dict[str, Any],
        excerpts: dict[str, Any] | None = None,
        viewport: dict[str, int] | None = None,
        scheme: str = "light",
        fragment: str = "",
        expected: str = "nothing",
    ) -> Any:
        tolerated.append(expected)
        path = tmp_path / "page.html"
        path.write_text(render(content, excerpts or {}), encoding="utf-8")
        page.goto("about:blank")  # or another fragment alone would not load the page
        page.set_viewport_size(viewport or WIDE)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.goto(path.as_uri() + fragment)
        return page

    tolerated: list[str] = []
    notes: dict[str, Callable[[Any], str]] = {
        "console": lambda message: message.text if message.type in ("error", "warning") else "",
        "pageerror": str,
        "request": lambda request: request.url if request.url.startswith("http") else "",
    }
    listeners = {event: lambda about, told=told: wrong.append(told(about)) for event, told in notes.items()}
    for event, listener in listeners.items():
        page.on(event, listener)
    yield show
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert [text for text in wrong if text and not any(each in text for each in tolerated)] == []


def with_excerpts(*excerpts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A page whose first tracks have these excerpts."""
    content = make_content()
    board = content["boards"][0]
    board["excerpts"] = {board["tracks"][i][0]: f"excerpt-{i}" for i in range(len(excerpts))}
    for of, part in (("with_sound", "audio"), ("with_estimates", "estimates")):
        board[of] = [track for track, excerpt in zip(board["excerpts"], excerpts, strict=True) if excerpt[part]]
    return content, {f"excerpt-{i}": excerpt for i, excerpt in enumerate(excerpts)}


def open_track(page: Any, i: int = 0) -> Any:
    page.locator(".tracks .name button", has_text=f"piece_{i:03d}").click()
    return page.locator("#viewer")


def column(page: Any, table: str, field: str) -> list[str]:
    cells = page.locator(f'{table} .tabulator-cell[tabulator-field="{field}"]')
    cells.filter(has_text=re.compile(r"\S")).first.wait_for()
    return [text.strip() for text in cells.all_inner_texts()]
