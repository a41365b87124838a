"""The page on speed is what `make bench` makes of the figures beside it."""

import json

import pytest

from configs import ROOT


def test_the_page_is_made_of_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it is written by hand, which the next `make bench` would lose."""
    monkeypatch.syspath_prepend(ROOT / "bench")
    import everything

    done = json.loads((ROOT / "docs" / "speed.json").read_text())
    assert (ROOT / "docs" / "speed.md").read_text() == everything.page(done)
    rows = [row for part in done.values() for row in everything.rows_of(part)]
    assert everything.LEAD.keys() <= {(row.work, row.unit) for row in rows}
