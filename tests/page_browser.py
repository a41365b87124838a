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
    """A fixture: the browser."""
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
        yield running
        running.close()


def shown(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """A fixture: show(content, excerpts, ...) -> page. At the end: no error, and no request to anywhere."""
    wrong: list[str] = []
    contexts = []

    def show(
        content: dict[str, Any],
        excerpts: dict[str, Any] | None = None,
        viewport: dict[str, int] | None = None,
        scheme: str = "light",
        fragment: str = "",
        expected: str = "nothing",
    ) -> Any:
        def note(text: str) -> None:
            if expected not in text:
                wrong.append(text)

        path = tmp_path / "page.html"
        path.write_text(render(content, excerpts or {}), encoding="utf-8")
        context = browser.new_context(viewport=viewport or WIDE, color_scheme=scheme, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: note(str(error)))
        page.on("request", lambda request: note(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri() + fragment)
        return page

    yield show
    for context in contexts:
        context.close()
    assert wrong == []


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
