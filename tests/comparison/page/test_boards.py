"""The boards of the leaderboard's page in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page_browser import PHONE, WIDE, Open, column, launched, open_track, shown, with_excerpts
from page_examples import METRICS, as_error, make_board, make_content, make_excerpt

HOSTILE = '<img src=x onerror="window.hit=1"> </script><script>window.hit=1</script> & \'"{{script}}'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    yield from shown(browser, tmp_path)


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "dark"), (WIDE, "light")], ids=["phone", "wide"])
def test_fits_the_screen(show: Open, viewport: dict[str, int], scheme: str) -> None:
    content = make_content()
    content["boards"].append(make_board(3, 16, id="other", title="beat on synth, test", short="beat"))
    page = show(content, viewport=viewport, scheme=scheme)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == viewport["width"]
    page.locator("#boards a").nth(1).click()
    column(page, ".tracks", "id")
    assert page.evaluate(width) == viewport["width"]
    red = int(re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[0])
    assert (red > 200) if scheme == "light" else (red < 60)


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_sorts_by_a_column(show: Open, how: str) -> None:
    page = show(make_content())
    assert column(page, ".ranking", "rank") == ["1", "2", "3", "4", "5", "6"]
    header = page.locator('.ranking .tabulator-col[tabulator-field="metric0"]')
    for _ in range(2):
        header.click() if how == "click" else header.press("Enter")
    assert column(page, ".ranking", "rank") == ["6", "5", "4", "3", "2", "1"]


def test_filters_by_text(show: Open) -> None:
    page = show(make_content())
    column(page, ".ranking", "rank")
    page.keyboard.press("/")
    page.keyboard.type("MEL ")
    page.locator(".ranking .tabulator-row").nth(2).wait_for(state="detached")
    assert column(page, ".ranking", "name") == ["mel cnn", "mel crnn"]


@pytest.mark.parametrize("viewport", [PHONE, WIDE], ids=["phone", "wide"])
def test_chooses_columns(show: Open, viewport: dict[str, int]) -> None:
    page = show(make_content(), viewport=viewport)
    memory = page.locator('.ranking .tabulator-col[tabulator-field="peak_memory_bytes"]')
    column(page, ".ranking", "name")
    assert not memory.is_visible()
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="memory at most").check()
    assert column(page, ".ranking", "peak_memory_bytes")[0] == "1.0 GiB"
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


@pytest.mark.parametrize("viewport", [PHONE, WIDE], ids=["phone", "wide"])
def test_a_table_that_is_wider_than_the_screen_says_so(show: Open, viewport: dict[str, int]) -> None:
    """Names stay where they are and leave room; the hint goes where the last column is seen."""
    page = show(make_content(names=[f"mel transformer, lr {i}" for i in range(6)]), viewport=viewport)
    table = page.locator(".ranking .tabulator-tableholder")
    names = page.locator('.ranking .tabulator-row .tabulator-cell[tabulator-field="name"]')
    hint = page.locator("#ranking .more")
    hint.wait_for()
    before = names.first.bounding_box()
    assert before["x"] + before["width"] - table.bounding_box()["x"] < 0.45 * viewport["width"]
    table.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    hint.wait_for(state="hidden")
    assert names.first.bounding_box() == before
    last = page.locator(".ranking .tabulator-row").first.locator(".tabulator-cell:visible").last.bounding_box()
    assert before["x"] + before["width"] < last["x"] + last["width"] <= viewport["width"]


def test_a_table_that_fits_says_nothing(show: Open) -> None:
    content = make_content(2, 4)
    content["boards"][0]["metrics"] = METRICS[:1]
    page = show(content, viewport=WIDE)
    column(page, ".ranking", "rank")
    assert page.locator(".more:visible, .more-right").count() == 0


def test_bold_are_the_best_and_what_is_not_told_apart(show: Open) -> None:
    content = make_content()
    verdicts = [system["verdict"] for system in content["boards"][0]["systems"]]
    page = show(content)
    for field, part in (("name", "button"), ("metric0", "b, .estimate > span > span:not(.sub)"), ("metric1", "span")):
        cells = page.locator(f'.ranking .tabulator-cell[tabulator-field="{field}"]')
        cells.first.wait_for()
        first = "(cells, part) => cells.map((cell) => +getComputedStyle(cell.querySelector(part)).fontWeight >= 600)"
        bold = cells.evaluate_all(first, part)
        assert bold == [field != "metric1" and verdict in ("best", "not told apart") for verdict in verdicts]
    assert 1 < sum(verdict != "told apart" for verdict in verdicts) < len(verdicts)
    for system in content["boards"][0]["systems"]:
        system["verdict"] = "not known"
    page = show(content)
    column(page, ".ranking", "rank")
    assert page.locator("#ranking b, #ranking .strong, .lead b").count() == 0
    assert "bold" not in page.locator("#ranking").inner_text()


def test_names_with_commas(show: Open) -> None:
    """They differ behind the comma, also where a chart shortens them."""
    names = [f"hcqt harmonic_cnn, budget {i} steps, lr 0.00{i}" for i in range(3)]
    page = show(make_content(names=names, num_systems=3), viewport=PHONE)
    column(page, ".ranking", "name")
    drawn = page.locator("#intervals svg g > text").all_text_contents()
    assert len(set(drawn)) == 3
    assert all("…" in each for each in drawn)
    page.locator(".filter").fill("steps, lr 0.001")
    page.locator(".ranking .tabulator-row").nth(1).wait_for(state="detached")
    assert [each.split("\n")[-1] for each in column(page, ".ranking", "name")] == [names[1]]


def test_card_of_a_system_has_its_runs(show: Open) -> None:
    page = show(make_content())
    page.locator(".ranking .name button").nth(1).click()
    card = page.locator("#card")
    assert "python leaderboard.py reproduce 0000000100000000" in card.inner_text()
    assert "runs/1/1" in card.inner_text()
    page.keyboard.press("Escape")
    assert not card.is_visible()


def test_pairs_are_row_minus_column(show: Open) -> None:
    content = make_content(3)
    means = [system["metrics"][METRICS[0]][0] for system in content["boards"][0]["systems"]]
    page = show(content)
    cells = page.locator(".matrix td").filter(has_text=re.compile(r"\d")).all_inner_texts()
    found = [float(cell.replace("−", "-")) for cell in cells]
    differences = [means[i] - means[j] for i in range(3) for j in range(3) if i != j]
    # Without a sign: not told apart.
    assert found == pytest.approx(
        [d if "+" in c or "−" in c else abs(d) for d, c in zip(differences, cells, strict=True)], abs=1e-3
    )
    assert any("−" in cell for cell in cells)
    assert any("+" in cell for cell in cells)


def test_an_error_is_best_where_it_is_low(show: Open) -> None:
    """The matrix of pairs, the front of cost and score, and the order of a click on a metric."""
    found = []
    for content in (make_content(), as_error(make_content())):
        page = show(content)
        column(page, ".ranking", "rank")
        page.locator('.ranking .tabulator-col[tabulator-field="metric0"]').click()
        found.append(
            [
                column(page, ".ranking", "rank"),
                page.locator(".matrix td").evaluate_all("cells => cells.map((cell) => cell.className)"),
                page.locator('#cost svg[role="img"]').get_attribute("aria-label"),
            ]
        )
    assert found[0] == found[1]
    assert {"better", "worse"} <= set(found[0][1])
    assert "lower is better" in page.locator("#ranking").inner_text()
    assert "− the row is better" in page.locator("#pairs").inner_text()


def test_names_are_shown_as_text(show: Open) -> None:
    content = make_content(3, 4, names=[HOSTILE, f"b {HOSTILE}", "c"], title=HOSTILE)
    board = content["boards"][0]
    board |= {
        "title": HOSTILE,
        "apart": HOSTILE,
        "notes": [HOSTILE],
        "protocol": {HOSTILE: HOSTILE},
        "primary": HOSTILE,
    }
    board["metrics"] = [HOSTILE]
    board["scores"] = {HOSTILE: board["scores"][METRICS[0]]}
    board["tracks"] = [[f"{i} {HOSTILE}", HOSTILE, 10.0] for i in range(4)]
    for system in board["systems"]:
        system |= {
            "metrics": {HOSTILE: system["metrics"][METRICS[0]]},
            "warning": HOSTILE,
            "choices": {HOSTILE: HOSTILE},
        }
    excerpt = make_excerpt("intervals")
    for mark in [*excerpt["reference"], *excerpt["estimates"]["key0"]]:
        mark[-1] = HOSTILE
    board["excerpts"] = {f"0 {HOSTILE}": "excerpt-0"}
    content["problems"] = [{"path": HOSTILE, "text": HOSTILE}]
    page = show(content, {"excerpt-0": excerpt})
    page.locator(".ranking .name button").first.click()
    page.keyboard.press("Escape")
    page.locator(".tracks .name button", has_text=f"0 {HOSTILE}").click()
    page.keyboard.press("n")
    assert HOSTILE in page.locator("#viewer h2").inner_text()
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 0


def test_no_script_runs_but_the_page_s_own(show: Open) -> None:
    """Even where an element came in as HTML, the policy stops it."""
    page = show(make_content(), expected="Content Security Policy")
    page.locator("main h1").wait_for()
    blocked = page.evaluate("""() => new Promise((resolve) => {
        addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "window.hit = 1";
        document.body.append(script);
    })""")
    assert blocked == "script-src-elem"
    assert page.evaluate("window.hit") is None


def test_theme_is_switched(show: Open) -> None:
    page = show(make_content())
    background = "getComputedStyle(document.body).backgroundColor"
    strip = "document.querySelector('.tracks canvas').toDataURL()"
    column(page, ".tracks", "mean")
    light, light_strip = page.evaluate(background), page.evaluate(strip)
    page.keyboard.press("t")
    assert page.evaluate(background) != light
    assert page.evaluate(strip) != light_strip
    page.get_by_label("Switch between light and dark").click()
    assert page.evaluate(background) == light


def test_keys_are_listed(show: Open) -> None:
    page = show(*with_excerpts(make_excerpt()))
    page.keyboard.press("?")
    assert "next or previous error" in page.locator("#keys").inner_text()


@pytest.mark.parametrize(("num_systems", "num_tracks"), [(1, 1), (2, 30)])
def test_small_boards(show: Open, num_systems: int, num_tracks: int) -> None:
    page = show(make_content(num_systems, num_tracks))
    assert len(column(page, ".ranking", "rank")) == num_systems
    assert len(column(page, ".tracks", "id")) >= min(num_tracks, 5)


def test_300_systems_on_500_tracks(show: Open, tmp_path: Path) -> None:
    page = show(make_content(300, 500))
    assert (tmp_path / "page.html").stat().st_size <= 5 * 2**20
    assert 5 < len(column(page, ".ranking", "rank")) < 100
    page.locator('.tracks .tabulator-col[tabulator-field="spread"]').click()
    spread = [float(value) for value in column(page, ".tracks", "spread")]
    assert spread == sorted(spread, reverse=True)
    assert page.locator(".matrix tbody tr").count() == 15
    page.get_by_label("Filter tracks").fill("piece_007")
    assert open_track(page, 7).locator("tbody tr").count() == 300


def test_label_audit(show: Open) -> None:
    """Its tracks stand above the ranking, open from there, and can be filtered for."""
    content, excerpts = with_excerpts(*[make_excerpt()] * 14)
    (board,) = content["boards"]
    doubted = [board["tracks"][i][0] for i in (4, 2)]
    board["audit"] = {
        "ids": doubted,
        "headers": ["track", "labels to look at"],
        "rows": [[doubted[0], "labels 38 ms late"], [doubted[1], "labels drift"]],
        "scores": [["system", "all 14 tracks", "12 not in doubt"], ["mel cnn", "0.8", "0.9"]],
        "summary": ["Judged by two systems."],
    }
    page = show(content, excerpts)
    page.locator('[data-which="doubt"]').click()
    page.locator(".found", has_text="2 of 14").wait_for()
    assert sorted(name.split(" ♪")[0] for name in column(page, ".tracks", "id")) == sorted(doubted)
    page.locator("#audit button").nth(1).click()
    assert page.locator("#viewer h2").inner_text() == doubted[1]
    page.keyboard.press("[")
    assert page.locator("#viewer h2").inner_text() == doubted[0]
