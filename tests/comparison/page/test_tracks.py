"""The browser of tracks on the leaderboard's page, and its player, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page_browser import PHONE, Open, column, launched, open_track, shown, with_excerpts
from page_examples import METRICS, as_error, make_content, make_excerpt


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    yield from shown(browser, tmp_path)


def test_ends_of_segments_are_drawn(show: Open) -> None:
    """For the system that says tokens of them, and no other."""
    told = {"key0": {"length_s": 2.0, "num_errors": 10, "num_at_borders": 4, "expected": 0.5}}
    page = show(*with_excerpts(*[make_excerpt() | {"segments": told}] * 14))
    open_track(page)
    assert page.locator("line.border").count() == 2  # at 32 and 34 s of 30 to 36
    assert (
        "4 of 10 errors of the track begin within 50 ms of one; 0.5 would by chance"
        in page.locator(".borders").inner_text()
    )
    page.locator(".shown-system").select_option("1")
    assert page.locator("line.border").count() == 0
    assert page.locator(".borders").inner_text() == ""


def test_filters_tracks(show: Open) -> None:
    """Those that no system reaches a threshold on, and those that one is better on."""
    page = show(make_content())
    every = {field: column(page, ".tracks", field) for field in ("best", "lead")}
    page.get_by_label("Threshold").fill("0.6")
    found = {}
    for which, field in (("nobody", "best"), ("a", "lead"), ("b", "lead")):
        page.locator(f'[data-which="{which}"]').click()
        page.locator(".found", has_text=re.compile("^[1-9][0-9]? of")).wait_for()
        found[which] = column(page, ".tracks", field)
    number = {value: float(value.replace("−", "-")) for values in every.values() for value in values}
    assert found == {
        "nobody": [value for value in every["best"] if number[value] < 0.6],
        "a": [value for value in every["lead"] if number[value] > 0],
        "b": [value for value in every["lead"] if number[value] < 0],
    }
    assert all(0 < len(values) < 14 for values in found.values())


def test_tracks_of_an_error_are_those_of_what_is_right(show: Open) -> None:
    """The worst first; who beats whom; what nobody reaches."""
    found = []
    for content, threshold in ((make_content(), "0.6"), (as_error(make_content()), "0.4")):
        page = show(content)
        found.append([column(page, ".tracks", "id")])
        page.get_by_label("Threshold").fill(threshold)
        for which in ("a", "b", "nobody"):
            page.locator(f'[data-which="{which}"]').click()
            page.locator(".found", has_text=re.compile("^[1-9][0-9]? of")).wait_for()
            found[-1].append(column(page, ".tracks", "id"))
    assert found[0] == found[1]
    assert all(len(ids) < len(found[0][0]) for ids in found[0][1:])


def test_of_a_metric_without_a_best_nobody_beats_anybody(show: Open) -> None:
    content = make_content()
    content["boards"][0]["better"] = dict.fromkeys(METRICS, None)
    page = show(content)
    page.locator('[data-which="a"]').click()
    page.locator(".found", has_text="0 of").wait_for()


def test_tracks_open_from_the_keyboard(show: Open) -> None:
    content, excerpts = with_excerpts(*[make_excerpt()] * 14)
    page = show(content, excerpts)
    ids = [name.split(" ♪")[0] for name in column(page, ".tracks", "id")]
    page.locator(".tracks .tabulator-row").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    title = page.locator("#viewer h2")
    assert title.inner_text() == ids[1]
    page.keyboard.press("]")
    assert title.inner_text() == ids[2]
    page.keyboard.press("[")
    assert title.inner_text() == ids[1]
    assert page.evaluate("decodeURIComponent(location.hash)").endswith(ids[1])
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_marks_are_counted_and_errors_visited(show: Open) -> None:
    content, excerpts = with_excerpts(make_excerpt())
    page = show(content, excerpts)
    viewer = open_track(page)
    legend = [text.strip() for text in viewer.locator(".legend button").all_inner_texts()]
    assert legend == ["reference 7", "right 4", "missed 1", "not in the reference 1", "wrong octave 1", "wrong end 1"]
    told = []
    for _ in range(4):
        page.keyboard.press("n")
        told.append(viewer.locator(".told").inner_text().split(",")[0])
    assert told == ["wrong end", "wrong octave", "missed", "not in the reference"]
    page.keyboard.press("p")
    assert viewer.locator(".told").inner_text() == "missed, B♭4, 0:33.70 to 0:34.30"
    page.keyboard.press("b")
    assert "not in the reference 1" not in viewer.locator(".legend").inner_text()
    viewer.locator(".legend button", has_text="missed").click()
    assert viewer.locator('.picture [data-kind="missed"]').count() == 0
    assert viewer.locator('.picture [data-kind="right"]').count() == 4


def test_every_kind_of_excerpt_is_drawn(show: Open) -> None:
    kinds = {"notes": True, "events": True, "intervals": True, "melody": False, "track": False}  # with a sound?
    page = show(*with_excerpts(*(make_excerpt(kind, sound=sound) for kind, sound in kinds.items())), viewport=PHONE)
    for i, (kind, sound) in enumerate(kinds.items()):
        viewer = open_track(page, i)
        marks = viewer.locator(".chips li" if kind == "track" else "svg [data-kind]")
        assert marks.count() == 15, kind
        assert viewer.locator(".play").is_enabled() == sound, kind
        assert ("The recordings of this data set are not here." in viewer.inner_text()) == (not sound), kind
        assert viewer.evaluate("(box) => box.scrollWidth <= box.clientWidth"), kind
        page.keyboard.press("Escape")


def shown_time(page: Any) -> float:
    minutes, seconds = page.locator("#viewer .time").inner_text().split(" / ")[0].split(":")
    return 60 * int(minutes) + float(seconds)


def test_plays_and_seeks(show: Open) -> None:
    content, excerpts = with_excerpts(make_excerpt())
    page = show(content, excerpts)
    viewer = open_track(page)
    assert shown_time(page) == 30.0
    viewer.locator(".wave canvas").first.wait_for()
    viewer.locator(".play").click()
    viewer.locator(".time", has_text=re.compile(r"^0:3(0\.[2-9]|[1-5])")).wait_for()
    viewer.locator(".stage").focus()
    page.keyboard.press("Space")
    viewer.locator(".play", has_text="▶ play").wait_for()
    for target in (".picture", ".wave"):
        box = viewer.locator(target).bounding_box()
        viewer.locator(target).click(position={"x": box["width"] * 0.75, "y": box["height"] / 2})
        assert shown_time(page) == pytest.approx(34.5, abs=0.1)
        page.keyboard.press("Shift+ArrowLeft")
        assert shown_time(page) == pytest.approx(30.0, abs=0.1)
    page.keyboard.press("ArrowRight")
    assert shown_time(page) == pytest.approx(31.0, abs=0.1)
    left = viewer.locator(".inner > .cursor").evaluate("(cursor) => parseFloat(cursor.style.left)")
    width = viewer.locator(".inner").evaluate("(inner) => inner.clientWidth")
    assert left / width == pytest.approx(1 / 6, abs=0.02)
    page.keyboard.press("+")
    assert viewer.locator(".inner").evaluate("(inner) => inner.clientWidth") == pytest.approx(2 * width, abs=4)


def test_a_track_opens_at_its_top(show: Open) -> None:
    """The second time too, and where the picture, which takes the keys, is below the screen."""
    content, excerpts = with_excerpts(*[make_excerpt()] * 2)
    page = show(content, excerpts, viewport={"width": 360, "height": 420})
    for i in (0, 1, 0):
        viewer = open_track(page, i)
        viewer.locator(".picture svg rect").first.wait_for()
        assert viewer.evaluate("(box) => box.scrollTop") == 0
        viewer.evaluate("(box) => { box.scrollTop = 300; }")
        page.keyboard.press("]" if i else "[")
        page.keyboard.press("Escape")


def test_without_predictions_nothing_is_said_of_errors(show: Open) -> None:
    kinds, missing = ("notes", "events", "intervals", "track"), "There are no predictions beside the results."
    page = show(*with_excerpts(*(make_excerpt(kind, keys=()) | {"missing": missing} for kind in kinds)))
    assert "Open a track with ♪ to hear it." in page.locator("#failures").inner_text()
    for i, kind in enumerate(kinds):
        viewer = open_track(page, i)
        assert viewer.locator(".chips li" if kind == "track" else "svg [data-kind]").first.is_visible(), kind
        assert viewer.locator("tbody tr").count() == 6, "the scores of all systems"
        page.keyboard.press("n")
        page.keyboard.press("a")
        page.keyboard.press("?")
        assert page.locator("#keys").is_visible()
        said = page.locator("body").inner_text() + " ".join(
            page.locator("[aria-label]").evaluate_all("(all) => all.map((each) => each.getAttribute('aria-label'))")
        )
        assert re.findall(r"\berr\b|\berrors?\b|went wrong|Estimate", said) == [], kind
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")


def test_without_sound_nothing_is_said_of_listening(show: Open) -> None:
    content, excerpts = with_excerpts(make_excerpt(sound=False))
    page = show(content, excerpts)
    column(page, ".tracks", "id")
    assert re.findall("hear|listen|♪", page.locator("#failures").inner_text()) == []
    page.locator('[data-which="excerpt"]', has_text="With an excerpt").click()
    page.locator(".found", has_text="1 of 14").wait_for()


def test_track_without_an_excerpt_says_why(show: Open) -> None:
    page = show(make_content())
    viewer = open_track(page)
    assert "There is no sound of this track on the page." in viewer.inner_text()
    assert viewer.locator("tbody tr").count() == 6


def test_link_opens_a_track(show: Open) -> None:
    content = make_content()
    board = content["boards"][0]
    page = show(content, fragment=f"#{board['id']}/{board['tracks'][3][0]}")
    assert page.locator("#viewer h2").inner_text() == board["tracks"][3][0]
    page.evaluate(f"location.hash = '#{board['id']}'")  # as the browser's way back does
    page.wait_for_function("!document.getElementById('viewer').open")
