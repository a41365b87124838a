"""Annotations as other programs write them, from the file to the score: read for what they say, or refused."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import make_task
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo
from ricercar.data.audio.store import AudioStore
from ricercar.data.checking.oddities import oddities
from ricercar.data.sources.folder import Folder
from ricercar.data.sources.index import annotation_kinds
from ricercar.errors import InputError
from ricercar.harness.benchmark import metrics_of
from ricercar.harness.results import TrackScore
from ricercar.tasks.chord.scoring import ChordComparison
from ricercar.tasks.melody.scoring import with_silent_rows
from ricercar.tasks.scoring import Scoring
from trainings import benchmark

RATE = 8000
SECONDS = 12


def scoring(task: str, **protocol: Any) -> Scoring:
    made: Scoring = make_task(task, **protocol)
    return made


def scored(folder: Path, task: Scoring, pairs: Sequence[tuple[str, str]], suffix: str = ".txt") -> list[TrackScore]:
    """pairs: what the files of a reference and of an estimate have in them."""
    (folder / "predictions").mkdir()
    soundfile.write(folder / "a.wav", np.full(SECONDS * RATE, 0.1), RATE)
    rows = [f"id,split,group,audio,{task.annotation.name}"]
    for number, (reference, estimate) in enumerate(pairs):
        (folder / f"{number}{suffix}").write_text(reference)
        (folder / "predictions" / f"{number}{suffix}").write_text(estimate)
        rows.append(f"{number},test,{number},a.wav,{number}{suffix}")
    (folder / "index.csv").write_text("\n".join(rows))
    store = AudioStore(folder / "cache", RATE)
    return benchmark(task, Folder(root=folder).tracks("test"), store).score_folder(folder / "predictions")


def table(*columns: Sequence[object]) -> str:
    return "".join(" ".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


# --- separators ---

KINDS = annotation_kinds()


@pytest.mark.parametrize(
    ("kind", "file", "content"),
    [
        ("onsets", "a.txt", "0,250\n0,750\n"),
        ("onsets", "a.tsv", "0,250;snare\n"),
        ("onsets", "a.txt", "0,250\tsnare\n"),
        ("onsets", "a.txt", "0,25,snare\n"),
        ("beats", "a.beats", "0,250\n1,750\n"),
        ("beats", "a.csv", "0,25;1\n0,75;2\n"),
        ("beats", "a.beats", "0,25 1\n0,75 2\n"),
        ("beats", "a.csv", "0,25,1\n0,75,2\n"),
        ("alignment", "a.txt", "0,25 hello\n0,75 you\n"),
        ("segments", "a.lab", "0,5 4,5 A\n4,5 9,5 B\n"),
        ("segments", "a.lab", "0 4,5 A\n"),
        ("segments", "a.lab", "0.5 4,5 A\n"),
        ("segments", "a.lab", "0,5,4,5,A\n"),
        ("segments", "a.lab", "0,5;4,5;A\n"),
        ("chords", "a.lab", "0,5\t4,5\tC\n"),
        ("hierarchy", "a.lab", "0,5 4,5 A\n"),
        ("melody", "a.txt", "0,01 220,5\n"),
        ("melody", "a.csv", "0,01;220,5\n"),
        ("melody", "a.csv", "0,01,220,5\n"),
        ("multipitch", "a.txt", "0,29 220,50\n"),
        ("multipitch", "a.txt", "0,01\n0,02\n"),
        ("multipitch", "a.txt", "0.01 220,5\n"),
        ("notes", "a.txt", "0 1,5 440\n"),
        ("notes", "a.txt", "0,5 1,5 440\n"),
        ("notes", "a.txt", "0,5;1,5;440\n"),
        ("patterns", "a.txt", "1,5 60\n"),
        ("key", "a.lab", "0,5 4,5 C major\n"),
        ("tempo", "a.txt", "120,5\n"),
        ("tempo", "a.txt", "60 120 0,3\n"),
        ("tempo", "a.txt", "60,5 0.0\n"),
    ],
)
def test_decimal_commas_are_refused(kind: str, file: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text(content)
    with pytest.raises(InputError, match=rf"a{path.suffix}, line 1: .*decimal comma"):
        KINDS[kind].read(path)


@pytest.mark.parametrize("cell", ["120,5", "60 120 0,3"])
def test_decimal_commas_in_a_cell(cell: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="decimal comma"):
        KINDS["tempo"].from_cell(cell, tmp_path.joinpath)


def test_decimal_commas_under_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("tag\tscore\npiano\t0,8\n")
    with pytest.raises(InputError, match=r"line 2: score '0,8' is not a number\. Write decimals with a point"):
        Tags.read(path)


@pytest.mark.parametrize(
    ("kind", "content", "times"),
    [
        ("onsets", "0.5,36\n1,38\n", [0.5, 1]),
        ("onsets", "0, 36\n1, 38\n", [0, 1]),
        ("onsets", "onset,label\n0,36\n1,38\n", [0, 1]),
        ("beats", "1,1\n1.5,2\n", [1, 1.5]),
        ("beats", "1 1\n2 2\n", [1, 2]),
        ("melody", "0,220\n1,220\n", [0, 1]),
        ("alignment", "1 a,b\n2 1,5\n", [1, 2]),
    ],
)
def test_commas_that_separate(kind: str, content: str, times: list[float], tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(content)
    assert vars(KINDS[kind].read(path))["time_s"].tolist() == times


@pytest.mark.parametrize("content", ["1_000\n", "0.5\n1_000.5\n"])
def test_an_underscore_is_no_part_of_a_number(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.beats"
    path.write_text(content)
    with pytest.raises(InputError, match="1_000"):
        Beats.read(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_utf_16_is_refused(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0.5 a\n1.5 b\n", encoding=encoding)
    with pytest.raises(InputError, match="UTF-8"):
        KINDS["onsets"].read(path)


NUMBERS = st.decimals(min_value=0, max_value=9999, places=3)


@settings(deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, st.integers(1, 16)), min_size=1, max_size=5, unique_by=lambda row: row[0]),
    st.sampled_from(["\t", " ", ",", ", ", ";", " \t "]),
    st.sampled_from([".", ","]),
    st.booleans(),
)
def test_any_table_of_beats_is_read_for_what_it_says_or_refused(
    tmp_path_factory: pytest.TempPathFactory, beats: list[Any], separator: str, point: str, short: bool
) -> None:
    """Whatever separates the cells and the decimals; numbers without needless zeros may be whole."""
    beats = sorted(beats)
    texts = [format(time.normalize(), "f") if short else str(time) for time, _ in beats]
    path = tmp_path_factory.mktemp("a") / "a.beats"
    path.write_text("".join(f"{t.replace('.', point)}{separator}{p}\n" for t, (_, p) in zip(texts, beats, strict=True)))
    fractions = any("." in text for text in texts)
    try:
        read = Beats.read(path)
    except InputError:
        assert separator == ";" or (point == "," and fractions) or (separator == "," and not fractions)
        return
    assert read.time_s.tolist() == [float(time) for time, _ in beats]
    assert read.position.tolist() == [position for _, position in beats]


# --- melody ---


def melody_rows(sounding_only: bool) -> str:
    """220 Hz in every other second of ten."""
    time_s = np.arange(1000) / 100
    hz = np.where(time_s.astype(int) % 2 == 0, 220.0, 0.0)
    kept = hz > 0 if sounding_only else np.ones(1000, dtype=bool)
    return table(time_s[kept], hz[kept])


@pytest.mark.parametrize(("gaps", "accuracy", "false_alarm"), [("unvoiced", 1.0, 0.0), ("hold", 0.5, 1.0)])
def test_a_melody_of_sounding_rows(
    gaps: str, accuracy: float, false_alarm: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = scoring("melody", gaps=gaps)
    with caplog.at_level(logging.WARNING):
        [track] = scored(tmp_path, task, [(melody_rows(False), melody_rows(True))])
    assert track.metrics["melody/Overall_Accuracy"] == pytest.approx(
        accuracy, abs=0.002
    )  # mir_eval has 0 Hz at the last instant
    assert track.metrics["melody/Voicing_False_Alarm"] == pytest.approx(false_alarm, abs=0.003)
    [line] = caplog.messages
    assert line.startswith(f"track 0 ({tmp_path / 'predictions' / '0.txt'}): The estimate's melody")
    assert f"5 gaps between rows, in all 5.04 s (task.protocol.gaps={gaps})" in line
    assert task.protocol["gaps"] == gaps


def test_gaps_of_a_reference_have_frames(tmp_path: Path) -> None:
    """An estimate that sounds all the time has false alarms there, as beside a reference with all its rows."""
    estimate = table(np.arange(1000) / 100, np.full(1000, 220.0))
    tracks = scored(tmp_path, scoring("melody"), [(melody_rows(each), estimate) for each in (False, True)])
    for track in tracks:
        assert track.metrics["melody/Voicing_False_Alarm"] == 1.0
        assert track.metrics["melody/Overall_Accuracy"] == pytest.approx(0.5, abs=0.06)  # the last second has no row


def test_a_late_first_row_and_an_early_end(tmp_path: Path) -> None:
    reference = table(np.arange(1000) / 100, np.full(1000, 220.0))
    estimate = table(np.arange(200, 500) / 100, np.full(300, 220.0))
    [track] = scored(tmp_path, scoring("melody"), [(reference, estimate)])
    assert track.metrics["melody/Voicing_Recall"] == pytest.approx(0.3)


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), min_size=2, max_size=30, unique=True))
def test_silent_rows_fill_gaps_alone(rows: list[int]) -> None:
    time_s = np.sort(rows) / 100
    melody = Melody(time_s, np.full(len(rows), 220.0))
    filled = with_silent_rows(melody)
    assert np.isin(time_s, filled.time_s).all()
    assert np.diff(filled.time_s, prepend=0).max() <= 2.5 * melody.usual_step_s + 1e-6
    silent_s = filled.time_s[filled.frequency_hz == 0]
    before = np.searchsorted(time_s, silent_s)
    gap_s = time_s[before] - np.append(0, time_s)[before]
    assert (gap_s > 2.5 * melody.usual_step_s).all()


# --- beats ---


@pytest.mark.parametrize(
    ("written", "positions"),
    [
        ([1, 0, 0, 0, 1, 0, 0, 0], [1, 2, 3, 4, 1, 2, 3, 4]),
        ([0, 0, 1, 0, 0, 1, 0], [2, 3, 1, 2, 3, 1, 2]),
        ([0, 0, 0, 1, 0, 1], [2, 2, 2, 1, 2, 1]),
        ([0, 1, 0, 0], [4, 1, 2, 3]),
        ([0, 0, 1, 2, 3, 1], [0, 0, 1, 2, 3, 1]),
        ([0, 0, 1, 1], [0, 0, 1, 1]),
        ([0, 0, 0], [0, 0, 0]),
        ([1, 2, 0, 4], [1, 2, 0, 4]),
    ],
)
def test_flags_of_downbeats(written: list[int], positions: list[int], tmp_path: Path) -> None:
    path = tmp_path / "a.beats"
    path.write_text(table(range(len(written)), written))
    beats = Beats.read(path)
    assert beats.position.tolist() == positions
    beats.write(path)
    assert Beats.read(path).text() == beats.text()


def test_flags_count_as_downbeats(tmp_path: Path) -> None:
    """Twice as many downbeats as there are, half of them wrong; from 5 s on 7, of which 3 are right."""
    time_s = np.arange(24) / 2 + 0.25
    flags, halves = (np.arange(24) % 4 == 0).astype(int), np.arange(24) % 2 + 1
    pairs = [
        (table(time_s, flags), table(time_s, halves)),
        (table(time_s, np.arange(24) % 4 + 1), table(time_s, halves)),
    ]
    for track in scored(tmp_path, scoring("beat"), pairs):
        assert track.metrics["downbeat/F-measure"] == pytest.approx(0.6)
    beats = Beats.make(time_s, flags)
    assert "beats: flags, not positions in the bar (1 a downbeat, 0 another beat)" in dict(oddities("beats", beats, 12))


def test_positions_that_count_from_0_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.beats"
    path.write_text(table(range(16), [n % 4 for n in range(16)]))
    with pytest.raises(InputError, match="line 5: position 0 comes before each 1"):
        Beats.read(path)


def test_an_estimate_without_positions_has_no_downbeat_score(tmp_path: Path) -> None:
    """But one without a beat, and one that says that none of its beats is a downbeat, has 0."""
    time_s, task = np.arange(24) / 2, scoring("beat")
    reference = table(time_s, np.arange(24) % 4 + 1)
    estimates = (table(time_s), "", table(time_s, np.arange(24) + 2))
    tracks = scored(tmp_path, task, [(reference, each) for each in estimates])
    assert [track.metrics["downbeat/F-measure"] for track in tracks] == pytest.approx([np.nan, 0, 0], nan_ok=True)
    assert metrics_of(tracks[:1], task)["downbeat/F-measure"] == pytest.approx(np.nan, nan_ok=True)
    assert metrics_of(tracks, task)["downbeat/F-measure"] == 0


# --- chords ---


@pytest.mark.parametrize(("gaps", "majmin"), [("exclude", 1.0), ("no_chord", 2 / 3), ("hold", 2 / 3)])
def test_a_gap_between_chords(gaps: str, majmin: float, tmp_path: Path) -> None:
    pair = ("0 4 C\n8 12 G\n", "0 4 C\n4 8 F\n8 12 G\n")
    [track] = scored(tmp_path, scoring("chord", gaps=gaps), [pair])
    assert track.metrics["chord/majmin"] == pytest.approx(majmin)
    assert track.metrics["chord/seg"] == 1.0


@pytest.mark.parametrize(("gaps", "majmin"), [("exclude", 2 / 3), ("no_chord", 2 / 3), ("hold", 1.0)])
def test_a_gap_of_an_estimate(gaps: str, majmin: float, tmp_path: Path) -> None:
    pair = ("0 8 C\n8 12 G\n", "0 4 C\n8 12 G\n")
    [track] = scored(tmp_path, scoring("chord", gaps=gaps), [pair])
    assert track.metrics["chord/majmin"] == pytest.approx(majmin)


STRETCHES = st.lists(st.tuples(st.sampled_from([0, 0, 1, 2]), st.integers(1, 4), st.sampled_from("CDN")), min_size=1)


@settings(deadline=None)
@given(STRETCHES, STRETCHES)
def test_a_gap_that_does_not_count_may_as_well_be_cut_out(a: list[Any], b: list[Any]) -> None:
    """Scores of the time with labels, by a plain reading on a grid of one second."""
    sides = []
    for rows in (a, b):
        edges = np.cumsum([step for gap, length, _ in rows for step in (gap, length)])
        sides.append(KINDS["chords"](edges[::2], edges[1::2], tuple(label for *_, label in rows)))
    found = ChordComparison(sides[0], sides[1], "exclude").accuracy("majmin")
    grid = [
        {second: label for start, end, label in zip(x.start_s, x.end_s, x.label, strict=True)
         for second in range(int(start), int(end))}
        for x in sides
    ]  # fmt: skip
    expected = np.mean([grid[1].get(second, "N") == label for second, label in grid[0].items()])
    assert found == pytest.approx(expected)


# --- tempo, alignment, onsets ---


@pytest.mark.parametrize(("single_tempo", "p_score"), [("exclude", 1.0), ("mir_eval", 0.8)])
@pytest.mark.parametrize("text", ["60 0 0.8\n", "0 60 0.2\n"])
def test_one_tempo_with_a_strength(text: str, single_tempo: str, p_score: float, tmp_path: Path) -> None:
    [track] = scored(tmp_path, scoring("tempo", single_tempo=single_tempo), [(text, "60 120 0.5\n")])
    assert (track.metrics["tempo/P-score"], track.metrics["tempo/Acc1"]) == (pytest.approx(p_score), 1.0)
    tempo = Tempo.parse(text)
    assert (Tempo.parse(tempo.text()), tempo.other_bpm) == (tempo, None)


def test_alignment_knows_how_long_each_recording_lasts(tmp_path: Path) -> None:
    """Events at 2 and 4 s, the second 1 s late; the recording has 12 s."""
    [track] = scored(tmp_path, scoring("alignment", duration="recording"), [("2\n4\n", "2\n5\n")])
    assert track.metrics["alignment/pcs"] == pytest.approx(11 / 12)


def test_onsets_of_a_file_count_as_they_are(tmp_path: Path) -> None:
    """As mir_eval counts them; only notes, and strokes with labels, are put together."""
    estimate, near, labelled = "1\n2\n", "1\n1.02\n2\n", "1 kick\n1.02 snare\n2 kick\n"
    recalls = [
        track.metrics["onset/Recall"]
        for track in scored(tmp_path, scoring("onset"), [(near, estimate), (labelled, estimate)])
    ]
    assert recalls == [2 / 3, 1.0]


# --- tags ---

ASKED = ("piano;!bass", "bass;!piano;!voice", "voice;?", "piano;voice;!bass", "!piano;!voice")


def perfect(cell: str) -> str:
    """Of all tags: 0.9 where the track has it, 0.1 where not, and a high score of what was not asked."""
    known = Tags.parse(cell)
    scores = {tag: 0.9 if tag in known.present else 0.1 for tag in known.tags}
    return "tag\tscore\n" + "".join(f"{tag}\t{scores.get(tag, 0.95)}\n" for tag in ("bass", "piano", "voice"))


def test_what_was_not_asked_counts_for_nothing(tmp_path: Path) -> None:
    task = scoring("tag")
    references = []
    for cell in ASKED:
        Tags.parse(cell).write(tmp_path / "written.tsv")
        references.append((tmp_path / "written.tsv").read_text())
    tracks = scored(tmp_path, task, [(ref, perfect(cell)) for ref, cell in zip(references, ASKED, strict=True)], ".tsv")
    found = metrics_of(tracks, task)
    wanted = ("macro_AP", "macro_ROC_AUC", "micro_AP", "micro_ROC_AUC", "macro_F-measure", "micro_F-measure", "LRAP",
              "accuracy", "F-measure")  # fmt: skip
    assert {name: found[f"tag/{name}"] for name in wanted} == dict.fromkeys(wanted, 1.0)
    assert found["tag/num_ranked_tags"] == 3


def test_what_was_not_asked_is_not_learned() -> None:
    import torch

    task: Any = scoring("tag", **{})
    references = [task.reference({"tags": Tags.parse(cell)}) for cell in ASKED]
    task.fit(references)
    assert task.vocabulary == ("bass", "piano", "voice")
    targets = np.array([task.encode(each, 0.0, 1, 50.0)["tag"] for each in references])
    nan = np.nan
    np.testing.assert_array_equal(targets, [[0, 1, nan], [1, 0, 0], [nan, nan, 1], [0, 1, 1], [nan, 0, 0]])
    logits = torch.zeros(5, 3, requires_grad=True)
    loss = task.loss({"tag": logits}, {"tag": torch.tensor(targets)}, torch.ones(5, 1, dtype=torch.bool))["tag"]
    assert loss.item() == pytest.approx(np.log(2))
    loss.backward()
    assert logits.grad is not None
    assert ((logits.grad == 0).numpy() == np.isnan(targets)).all()


@pytest.mark.parametrize("cell", [*ASKED, "a;b", "", "?"])
def test_partial_tags_are_written_and_read(cell: str, tmp_path: Path) -> None:
    tags = Tags.parse(cell)
    tags.write(tmp_path / "a.tsv")
    assert Tags.read(tmp_path / "a.tsv") == tags
    assert tags.partial == ("!" in cell or "?" in cell)


@pytest.mark.parametrize("cell", ["a;!!b", "a;!a", "a;!"])
def test_marks_of_tags_that_say_nothing(cell: str) -> None:
    with pytest.raises(InputError, match="Tag"):
        Tags.parse(cell)


# --- what mir_eval warns of ---


def test_warnings_of_mir_eval_are_told_with_track_and_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        scored(tmp_path, scoring("beat"), [("6\n7\n8\n", "6\n"), ("6\n7\n8\n", "6\n7\n8\n")])
    [line] = caplog.messages
    assert line.startswith(f"track 0 ({tmp_path / 'predictions' / '0.txt'}): Only one estimated beat was provided")


# --- what data.check finds ---


@pytest.mark.parametrize(
    ("kind", "content", "what"),
    [
        ("melody", "0 220\n0.01 220\n0.02 220\n5 220\n5.01 0\n", "rows far apart after one that sounds"),
        ("chords", "0 4 C\n8 12 G\n", "stretches without a label"),
        ("onsets", "0.5 36\n1.5 38\n", "labels that are numbers"),
        ("beats", "0.5 2\n1 3\n1.5 4\n", "positions in the bar without a downbeat"),
        ("tags", "piano, bass\n", "a comma within a tag"),
    ],
)
def test_oddities_of_files(kind: str, content: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.lab" if kind == "chords" else "a.txt")
    path.write_text(content)
    assert any(what in each for each, _ in oddities(kind, KINDS[kind].read(path), SECONDS))


def test_labels_of_segments_may_have_commas(tmp_path: Path) -> None:
    path = tmp_path / "a.lab"
    path.write_text("0.0 4.5 verse, quiet\n4.5 9 1,2\n")
    assert Segments.read(path).label == ("verse, quiet", "1,2")
