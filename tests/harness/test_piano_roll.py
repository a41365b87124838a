"""The piano roll shows hits, missed and extra notes where they are."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError
from ricercar.harness.piano_roll import _matched, piano_roll, write_png

HIT, MISSED, EXTRA = (0x00, 0x9E, 0x73), (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def notes(onset_s: list[float], offset_s: list[float], pitch: int) -> Notes:
    return Notes.make(onset_s, offset_s, [pitch] * len(onset_s))


NOTHING = Notes.make([], [], [])


def columns(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.intp]:
    """Columns of the plot, legend excluded, that have the colour."""
    plot = image[: int(0.85 * len(image))]
    return np.flatnonzero((plot == colour).all(axis=-1).any(axis=0))


@pytest.mark.parametrize(
    ("reference", "estimate", "colour"),
    [
        (notes([4.0], [6.0], 60), notes([4.04], [6.0], 60), HIT),
        (notes([4.0], [6.0], 60), NOTHING, MISSED),
        (NOTHING, notes([4.0], [6.0], 60), EXTRA),
    ],
    ids=["hit", "missed", "extra"],
)
def test_one_note_is_drawn_in_its_place(reference: Notes, estimate: Notes, colour: tuple[int, int, int]) -> None:
    image = piano_roll(reference, estimate, 0.0, 10.0, "title")
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert [len(columns(image, each)) > 0 for each in (HIT, MISSED, EXTRA)] == [
        each == colour for each in (HIT, MISSED, EXTRA)
    ]
    found = columns(image, colour) / image.shape[1]
    np.testing.assert_allclose([found.min(), found.max()], [0.41, 0.61], atol=0.03)


def test_only_what_sounds_in_the_excerpt_is_drawn() -> None:
    image = piano_roll(notes([1.0, 12.0], [2.0, 13.0], 60), NOTHING, 3.0, 10.0, "")
    assert len(columns(image, MISSED)) == 0


def test_a_pedalled_note_is_drawn_to_its_end() -> None:
    held = Notes.make([1.0], [2.0], [60], pedalled_offset_s=[9.0])
    image = piano_roll(held, NOTHING, 0.0, 10.0, "")
    assert columns(image, MISSED).max() / image.shape[1] > 0.85


@pytest.mark.parametrize(
    ("reference_s", "estimate_s", "found", "right"),
    [
        ([1.0], [1.05], [True], [True]),
        ([1.0], [1.06], [False], [False]),
        ([1.0], [0.96, 1.0], [True], [True, False]),
        ([1.0, 1.08], [0.97, 1.04], [True, True], [True, True]),  # the nearest partners would leave one out
        ([1.0, 2.0], [2.0], [False, True], [True]),
    ],
)
def test_matching(reference_s: list[float], estimate_s: list[float], found: list[bool], right: list[bool]) -> None:
    matched = _matched(
        *(notes(onset_s, [each + 0.03 for each in onset_s], 60) for onset_s in (reference_s, estimate_s))
    )
    assert [each.tolist() for each in matched] == [found, right]


def test_another_pitch_is_no_hit() -> None:
    matched = _matched(notes([1.0], [2.0], 60), notes([1.0], [2.0], 72))
    assert not matched[0].any()
    assert not matched[1].any()


@pytest.mark.parametrize("title", ["", "$x^$ 100 % \\frac{", "long " * 60], ids=["empty", "mathematics", "long"])
def test_any_title(title: str) -> None:
    assert piano_roll(NOTHING, NOTHING, 0.0, 20.0, title).std() > 0
    image = piano_roll(NOTHING, notes([18.0], [20.0], 60), 0.0, 20.0, title)
    assert columns(image, EXTRA).max() > 0.95 * image.shape[1], "the plot keeps its width"


def test_png_is_read_back(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_png(tmp_path / "image.png", image)
    np.testing.assert_array_equal(np.rint(imread(tmp_path / "image.png")[..., :3] * 255), image)


def test_png_into_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "image.png"
    with pytest.raises(InputError, match=re.escape(str(path))):
        write_png(path, np.zeros((2, 2, 3), dtype=np.uint8))


def test_matplotlib_is_imported_when_it_is_needed() -> None:
    check = "import sys, ricercar.harness.piano_roll; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], timeout=60).returncode == 0


def test_a_hit_may_have_the_other_semitone_as_its_nearest() -> None:
    assert [each.tolist() for each in _matched(Notes.make([0], [1], [60.45]), Notes.make([0], [1], [60.6]))] == [
        [True],
        [True],
    ]
