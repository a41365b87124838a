"""What was heard, in a real browser: on the page of the service, and on the pages that predict.py writes."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ricercar
from configs import SYNTH, TINY
from conftest import Here
from page_browser import PHONE, WIDE, launched
from ricercar.harness.command import expanded
from ricercar.use.model import Model
from serving import Running, served
from trainings import SMALL, trained


@pytest.fixture(scope="module")
def several(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three tasks."""
    folder = tmp_path_factory.mktemp("paged") / "several"
    trained(folder, *TINY, *SYNTH, f"cache_dir={cache}", *SMALL, *expanded("task=[onset,chord,key]"))
    return folder


@pytest.fixture(scope="module")
def model(several: Path) -> Model:
    return ricercar.load(several, "cpu")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.fixture(scope="module")
def running(model: Model) -> Iterator[Running]:
    with served({"first": model, "second": model}, token="sesame") as found:
        yield found


@contextmanager
def watched(browser: Any, here: str) -> Iterator[None]:
    """At the end: no error but of an answer, and no request to anywhere but addresses that begin with `here`."""
    wrong: list[str] = []
    notes: dict[str, Any] = {
        "console": lambda message: message.text if message.type in ("error", "warning") else "",
        "pageerror": str,
        "request": lambda request: "" if request.url.startswith((here, "data:", "blob:")) else request.url,
    }
    listeners = {event: lambda about, told=told: wrong.append(told(about)) for event, told in notes.items()}
    for event, listener in listeners.items():
        browser.on(event, listener)
    browser.set_viewport_size(WIDE)
    yield
    browser.goto("about:blank")
    for event, listener in listeners.items():
        browser.remove_listener(event, listener)
    assert [each for each in wrong if each and "status of 4" not in each] == []


@pytest.fixture
def page(browser: Any, running: Running) -> Iterator[Any]:
    here = f"http://127.0.0.1:{running.port}/"
    with watched(browser, here):
        browser.goto(here)
        browser.get_by_label("Token").fill("sesame")
        yield browser


def sees_and_hears(page: Any) -> None:
    """The spectrogram is there, the sound can be moved in, and played."""
    spectrogram = (
        "() => { const c = document.querySelector('.picture canvas'); return c.width > 100 && c.height > 50; }"
    )
    page.wait_for_function(spectrogram)
    page.locator(".play:enabled").wait_for()
    page.wait_for_function("() => document.querySelector('.wave').childElementCount > 0")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.time').textContent.startsWith('0:01.00')")
    page.get_by_role("button", name="▶ play").click()
    page.get_by_role("button", name="❚❚ pause").click()


def test_a_recording_is_seen_and_heard(page: Any, model: Model, tones: Path, tmp_path: Path) -> None:
    song = tones / "audio" / "t3.wav"
    heard = model(song)
    assert isinstance(heard, dict)
    page.get_by_label("Model").select_option("second")
    page.set_input_files("#file", song)
    page.locator("#result h2", has_text="t3.wav").wait_for()
    assert "3.2 s, second" in page.locator("#result").inner_text()
    assert page.locator(".lanes .mark").count() == len(heard["onset"].time_s)
    sees_and_hears(page)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="chord", exact=True).click()
    labels = set(page.locator(".lanes svg text").all_text_contents())
    assert labels
    assert labels <= set(heard["chord"].label)
    page.get_by_role("button", name="key", exact=True).click()
    assert page.locator(".chips li").count() == 1
    with page.expect_download() as download:
        page.get_by_role("link", name="t3.json").click()
    assert '"onset"' in Path(download.value.path()).read_text()


def test_events_are_drawn_as_they_come(page: Any, model: Model, tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last windows wait until one is seen."""
    seen, through = threading.Event(), model.through

    def waiting(chunk: Any) -> None:
        [*_, (pieces, last)] = chunk
        assert last != pieces.left[-1] or seen.wait(20)
        through(chunk)

    monkeypatch.setattr(model, "through", waiting)
    page.set_input_files("#file", tones / "audio" / "t3.wav")
    page.locator(".sketch rect").first.wait_for(state="attached")
    assert re.fullmatch(r"\d+ events? so far", page.locator(".sketch p").inner_text())
    seen.set()
    page.locator("#result h2", has_text="t3.wav").wait_for()
    assert page.locator(".sketch").count() == 0


def test_dropped_on_the_page(page: Any, tones: Path) -> None:
    """Anywhere on it."""
    content = list((tones / "audio" / "t3.wav").read_bytes())
    page.evaluate(
        """(content) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], "dropped.wav"));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    page.locator("#result h2", has_text="dropped.wav").wait_for()


@pytest.mark.parametrize(
    ("content", "token", "told"),
    [
        (b"hello", "sesame", "the recording: is not audio"),
        (b"x" * 2_100_000, "sesame", "larger than 2 MB"),
        (b"hello", "wrong", "Give the token of this service"),
    ],
)
def test_what_goes_wrong_is_told(page: Any, tmp_path: Path, content: bytes, token: str, told: str) -> None:
    page.get_by_label("Token").fill(token)
    path = tmp_path / "<b>song.wav"
    path.write_bytes(content)
    page.set_input_files("#file", path)
    page.get_by_role("alert").wait_for()
    assert told in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("viewport", [PHONE, WIDE], ids=["phone", "wide"])
def test_fits_the_screen(page: Any, tones: Path, viewport: dict[str, int]) -> None:
    page.set_viewport_size(viewport)
    page.set_input_files("#file", tones / "audio" / "t3.wav")
    page.locator(".stage").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    page.goto(page.url + "docs")
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    page.goto(page.url.removesuffix("docs"))
    page.get_by_label("Token").fill("sesame")


@pytest.mark.parametrize("viewport", [PHONE, WIDE], ids=["phone", "wide"])
def test_the_page_of_a_prediction(
    browser: Any, run_here: Here, several: Path, model: Model, tones: Path, tmp_path: Path, viewport: dict[str, int]
) -> None:
    """From a file, without a network; its name is text, whatever it looks like."""
    name = "<img src=x onerror=alert(1)>&<!--<script>.wav"
    shutil.copy(tones / "audio" / "t3.wav", tmp_path / name)
    assert run_here("predict.py", f"run={several}", name, "--page", "--output", "out") == (0, "")
    heard = model(tmp_path / name)
    assert isinstance(heard, dict)
    written = (tmp_path / "out" / name).with_suffix(".html")
    with watched(browser, written.as_uri()):
        browser.set_viewport_size(viewport)
        browser.goto(written.as_uri())
        assert browser.title() == name
        assert browser.locator("#main h2").inner_text() == name
        assert "3.2 s, several" in browser.locator("#main").inner_text()
        assert browser.locator("#main img").count() == 0
        assert browser.locator(".lanes .mark").count() == len(heard["onset"].time_s)
        sees_and_hears(browser)
        browser.get_by_role("button", name="chord", exact=True).click()
        assert set(browser.locator(".lanes svg text").all_text_contents()) <= set(heard["chord"].label)
        browser.get_by_role("button", name="key", exact=True).click()
        assert browser.locator(".chips li").count() == 1
        assert browser.evaluate("document.documentElement.scrollWidth") == viewport["width"]
