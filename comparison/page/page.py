"""One self-contained HTML file: tables, charts and the tracks where systems fail."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ricercar.comparison.board import Board
from ricercar.comparison.found import Collection
from ricercar.comparison.page.payload import elements, excerpt_payload, page_payload
from ricercar.comparison.page.places import without_places
from ricercar.comparison.page.render import render
from ricercar.data.files import write_text
from ricercar.errors import InputError

if TYPE_CHECKING:  # importing it takes torch
    from ricercar.comparison.excerpts import Excerpt


def write_page(
    collection: Collection,
    boards: Sequence[Board],
    path: Path,
    *,
    excerpts: Mapping[str, Mapping[str, "Excerpt"]],
    title: str = "Leaderboard",
    audits: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Writes the page, or nothing. excerpts: {board id: {track id: excerpt}}. InputError: a path that is no place.

    audits: {board id: what is shown of its label audit}
    """
    files = [*(each.path for each in collection.found), *(each.path for each in collection.problems)]
    content = without_places(page_payload(collection, boards, excerpts, title, audits or {}), files)
    shown = {
        element: excerpt_payload(excerpts[board][track])
        for board in excerpts
        for track, element in elements(board, excerpts[board]).items()
    }
    text = render(content, without_places(shown, files))
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"cannot write the page to {path}: {error.strerror}.") from error
