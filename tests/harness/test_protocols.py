"""conf/protocol: each preset scores as its paper does, worked out by hand or by mir_eval; and how it is chosen."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
from omegaconf import OmegaConf

from configs import CONF, ROOT, choices, make_task, option
from conftest import Here
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tempo import Tempo
from ricercar.errors import InputError
from ricercar.harness import assemble, protocols
from ricercar.harness.folders import names_in
from ricercar.harness.protocols import name_of, overrides, protocol_of
from ricercar.tasks.protocol import plain
from ricercar.tasks.scoring import Scoring

NAMES = names_in("protocol")


def scoring_of(name: str) -> Scoring:
    """As task=... protocol=... gives it."""
    task = name.partition("/")[0]
    merged = OmegaConf.merge(option("task", task), OmegaConf.load(CONF / "protocol" / f"{name}.yaml"))
    return assemble.make_scorings(OmegaConf.create({"task": merged}))[task]


def scored(name: str, reference: Any, estimate: Any, duration_s: float = 30.0) -> dict[str, float]:
    """Of one track, which is all there is."""
    scoring = scoring_of(name)
    known = scoring.reference({scoring.annotation.name: reference})
    assert known is not None
    known = scoring.of_recording(known, duration_s)
    return scoring.score(known, estimate) | scoring.pooled([scoring.evidence(known, estimate)])


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_all_of_the_protocol(name: str) -> None:
    scoring = scoring_of(name)
    assert plain(scoring.protocol) == protocol_of(name)
    assert name_of(name.partition("/")[0], plain(scoring.protocol)) == name
    assert scoring.primary in {*scoring.shown, scoring.primary}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_where_it_is_from(name: str) -> None:
    head = (CONF / "protocol" / f"{name}.yaml").read_text().partition("protocol:")[0]
    assert any(word in head for word in ("Evidence:", "https://", "mir_eval", " et al. ")), head


def test_the_documentation_lists_all() -> None:
    text = (ROOT / "docs" / "protocols.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in text and f"`{name.partition('/')[2]}`" not in text] == []


def test_no_two_presets_of_a_task_are_the_same() -> None:
    assert len({(name.partition("/")[0], json.dumps(protocol_of(name), sort_keys=True)) for name in NAMES}) == len(
        NAMES
    )


def test_a_preset_of_the_user_s_own_may_be_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A result is named all the same; who chooses it is told."""
    (tmp_path / "protocol" / "key").mkdir(parents=True)
    (tmp_path / "protocol" / "key" / "broken.yaml").write_text("protocol: [")
    monkeypatch.setenv("RICERCAR_CONFIG_DIR", str(tmp_path))
    protocols._by_id.cache_clear()
    assert name_of("key", protocol_of("key/mirex")) == "key/mirex"
    assert "no result is named after protocol=key/broken" in caplog.text
    with pytest.raises(InputError, match=r"broken\.yaml cannot be read"):
        protocol_of("key/broken")
    protocols._by_id.cache_clear()


@pytest.mark.parametrize("task", [name for name in choices("task") if name != "multitask"])
def test_what_came_later_is_no_part_of_a_protocol_that_does_without(task: str) -> None:
    protocol = make_task(task).protocol
    assert "ranked_by" in protocol
    assert not {"ranked_by", "clip_s"} & set(plain(protocol))


def notes(rows: list[tuple[float, ...]], program: int = 0) -> Notes:
    """(onset, offset, pitch, velocity[, pedalled offset])"""
    table = np.array([(*row[:4], row[4] if len(row) > 4 else row[1]) for row in rows], dtype=float)
    return Notes(
        onset_s=table[:, 0],
        offset_s=table[:, 1],
        pitch=table[:, 2],
        velocity=table[:, 3].astype(int),
        program=np.full(len(table), program),
        pedalled_offset_s=table[:, 4],
    )


REFERENCE = notes([(0.0, 1.0, 60, 80, 2.0), (1.0, 1.2, 64, 40), (2.0, 3.0, 67, 100), (3.0, 3.5, 72, 60)])
ESTIMATE = notes([(0.02, 2.1, 60, 80), (1.06, 1.2, 64, 40), (2.0, 2.9, 67, 20), (3.0, 3.5, 73, 60), (4.0, 4.1, 50, 9)])


@pytest.mark.parametrize("name", ["notes/onsets_and_frames", "notes/transkun", "notes/transkun_no_extension"])
def test_notes(name: str) -> None:
    """As Onsets and Frames calls mir_eval; the pedal decides whether the first note's end is right."""
    ends = "offset_s" if name.endswith("no_extension") else "pedalled_offset_s"
    sides = [
        (np.stack([side.onset_s, getattr(side, end)], axis=1), mir_eval.util.midi_to_hz(side.pitch))
        for side, end in ((REFERENCE, ends), (ESTIMATE, "offset_s"))
    ]
    scores = scored(name, REFERENCE, ESTIMATE)
    note = mir_eval.transcription.precision_recall_f1_overlap(*sides[0], *sides[1], offset_ratio=None)[2]
    offset = mir_eval.transcription.precision_recall_f1_overlap(*sides[0], *sides[1])[2]
    velocity = mir_eval.transcription_velocity.precision_recall_f1_overlap(
        *sides[0], REFERENCE.velocity, *sides[1], ESTIMATE.velocity
    )[2]
    assert scores["transcription/F-measure_no_offset"] == note == pytest.approx(2 * 2 / 9)
    assert scores["transcription/F-measure"] == offset == pytest.approx((2 if ends == "offset_s" else 4) / 9)
    assert scores["transcription_velocity/F-measure"] == velocity


def test_singing() -> None:
    """COn, COnP and COnPOff: of notes that are right, 60 cents off, too short, and late."""
    reference = notes([(0.0, 1.0, 60.2, 64), (2.0, 3.0, 62.0, 64), (4.0, 5.0, 64.4, 64), (6.0, 7.0, 65.0, 64)])
    estimate = notes([(0.0, 1.1, 60.6, 64), (2.0, 3.0, 62.6, 64), (4.0, 4.5, 64.0, 64), (6.1, 7.0, 65.0, 64)])
    scores = scored("notes/singing", reference, estimate)
    names = ("Onset_F-measure", "F-measure_no_offset", "F-measure")
    assert [scores[f"transcription/{name}"] for name in names] == pytest.approx([3 / 4, 2 / 4, 1 / 4])
    assert scoring_of("notes/singing").primary == "transcription/F-measure"


def test_multipitch() -> None:
    time_s = np.arange(4) * 0.01
    hz = [np.array([440.0]), np.array([220.0, 330.0]), np.array([]), np.array([100.0])]
    found = [np.array([452.0]), np.array([220.0]), np.array([500.0]), np.array([103.5])]
    scores = scored("multipitch/mirex", *(Multipitch.make(time_s, each) for each in (hz, found)))
    expected = mir_eval.multipitch.evaluate(time_s, hz, time_s, found)
    assert scores["multipitch/Accuracy"] == expected["Accuracy"] == 2 / 6
    assert scores["multipitch/Precision"] == expected["Precision"]


def mt3(reference: list[Notes], estimate: list[Notes], offsets: bool) -> float:
    """Of (reference, estimate) of each group, in turn: as mt3/metrics.py sums them. Drums are the last."""
    right = {"precision": 0.0, "recall": 0.0}
    for number, (a, b) in enumerate(zip(reference, estimate, strict=True)):
        sides = [
            (np.stack([side.onset_s, side.offset_s], axis=1), mir_eval.util.midi_to_hz(side.pitch)) for side in (a, b)
        ]
        options = {} if offsets and number < len(reference) - 1 else {"offset_ratio": None}
        precision, recall, _, _ = mir_eval.transcription.precision_recall_f1_overlap(*sides[0], *sides[1], **options)
        right["precision"] += precision * len(b)
        right["recall"] += recall * len(a)
    sizes = [sum(map(len, side)) for side in (estimate, reference)]
    return float(mir_eval.util.f_measure(right["precision"] / sizes[0], right["recall"] / sizes[1]))


@pytest.mark.parametrize(
    ("name", "together", "offsets"),
    [("mt3_flat", 128, True), ("mt3_midi_class", 8, True), ("mt3_full", 1, True), ("mr_mt3", 1, False)],
)
def test_instruments(name: str, together: int, offsets: bool) -> None:
    """Grand piano and electric piano are one family, a violin is of another."""
    random = np.random.default_rng(1)

    def part(program: int, size: int) -> Notes:
        onset_s = np.sort(random.uniform(0, 9, size))
        rows = [(on, on + random.uniform(0.1, 1), random.integers(40, 80), 64) for on in onset_s]
        return notes(rows, program)

    parts = {program: part(program, 12) for program in (0, 4, 40, DRUMS)}
    moved = {0: parts[0], 4: parts[40], 40: parts[4], DRUMS: parts[DRUMS]}
    late = {
        program: notes(
            [(a + 0.03, b + 0.3, pitch, 64) for a, b, pitch in zip(n.onset_s, n.offset_s, n.pitch, strict=True)]
        )
        for program, n in moved.items()
    }

    def grouped(sides: dict[int, Notes]) -> list[Notes]:
        groups: dict[int, list[Notes]] = {}
        for program, each in sides.items():
            groups.setdefault(999 if program == DRUMS else program // together, []).append(each)
        return [joined(groups[key], 0) for key in sorted(groups)]

    def joined(several: list[Notes], program: int) -> Notes:
        rows = [row for n in several for row in zip(n.onset_s, n.offset_s, n.pitch, n.velocity, strict=True)]
        return notes(sorted(rows), program)

    whole = [
        Notes(
            onset_s=np.concatenate([n.onset_s for n in side.values()])[order],
            offset_s=np.concatenate([n.offset_s for n in side.values()])[order],
            pitch=np.concatenate([n.pitch for n in side.values()])[order],
            velocity=np.concatenate([n.velocity for n in side.values()])[order],
            program=np.concatenate([np.full(len(n), program) for program, n in side.items()])[order],
            pedalled_offset_s=np.concatenate([n.offset_s for n in side.values()])[order],
        )
        for side in (parts, late)
        for order in [np.argsort(np.concatenate([n.onset_s for n in side.values()]), kind="stable")]
    ]
    name = f"instruments/{name}"
    scores = scored(name, *whole)
    expected = mt3(grouped(parts), grouped(late), offsets)
    assert scores[scoring_of(name).primary] == pytest.approx(expected, abs=1e-12)
    assert 0 < expected < 1


def test_yourmt3() -> None:
    """Ensembles are strings, 48 for 40; program 110 counts nowhere; drums 35 and 36 are one sound, 54 is none."""
    onset_s = np.arange(9.0)

    def side(program: list[int], pitch: list[int], late_s: float) -> Notes:
        rows = [(on + late_s, on + 0.5, each, 64) for on, each in zip(onset_s, pitch, strict=True)]
        return replace(notes(rows), program=np.array(program))

    drums = [DRUMS] * 4
    reference = side([40, 0, 32, 110, 64, *drums], [60, 62, 40, 70, 65, 36, 46, 54, 49], 0.0)
    estimate = side([48, 0, 24, 110, 64, *drums], [60, 62, 40, 70, 65, 35, 42, 54, 57], 0.02)
    end_s = np.where(onset_s == 4, 4.9, estimate.offset_s)
    estimate = replace(estimate, offset_s=end_s, pedalled_offset_s=end_s)
    scores = scored("instruments/yourmt3", reference, estimate)
    # Right of 7 on each side: strings, piano and two drums; the bass is heard as a guitar, the reed ends too late.
    assert scores["multi_instrument/F-measure_onset_offset"] == pytest.approx(4 / 7)
    assert scores["multi_instrument/F-measure_onset"] == pytest.approx(5 / 7)
    assert scores["drums/F-measure"] == pytest.approx(2 / 3)
    assert scores["transcription/F-measure_no_offset"] == 1.0  # program 110, too
    assert scores["transcription/F-measure"] == pytest.approx(4 / 5)
    assert scores["instrument/F-measure_onset_strings"] == 1.0
    assert len([name for name in scores if name.startswith("instrument/F-measure_onset_")]) == 11
    assert scoring_of("instruments/yourmt3").primary == "multi_instrument/F-measure_onset_offset"


def test_melody() -> None:
    time_s = np.arange(6) * 0.1
    reference, estimate = np.array([0, 220, 220, 220, 0, 440.0]), np.array([220, 226, 233, 0, 0, 440.0])
    scores = scored("melody/mirex", Melody(time_s, reference), Melody(time_s, estimate))
    expected = mir_eval.melody.evaluate(time_s, reference, time_s, estimate)
    assert scores["melody/Overall_Accuracy"] == expected["Overall Accuracy"] == 3 / 6
    assert scores["melody/Raw_Pitch_Accuracy"] == expected["Raw Pitch Accuracy"]


@pytest.mark.parametrize(("name", "expected"), [("boeck", 2 * 1 / 4), ("mirex", 2 * 2 / 4)])
def test_onsets(name: str, expected: float) -> None:
    """30 ms late, and on time."""
    reference, estimate = (Onsets.make(np.array(times)) for times in ([1.0, 2.0], [1.03, 2.0]))
    assert scored(f"onset/{name}", reference, estimate)["onset/F-measure"] == expected
    window_s = {"boeck": 0.025, "mirex": 0.05}[name]
    assert mir_eval.onset.f_measure(reference.time_s, estimate.time_s, window=window_s)[0] == expected


def test_onsets_that_are_combined() -> None:
    """As madmom combines them: what follows within 30 ms is no onset of its own."""
    chord = notes([(1.0, 1.5, 60, 64), (1.025, 1.5, 64, 64), (2.0, 2.5, 67, 64)])
    scoring = scoring_of("onset/boeck")
    known = scoring.reference({"notes": chord})
    assert isinstance(known, Onsets)
    assert known.time_s.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("name", "expected"), [("mirex", 2 * 2 / (3 + 3)), ("adtof", 2 * 4 / (5 + 5))])
def test_drums(name: str, expected: float) -> None:
    """KD on time and SD 20 ms late, HH 40 ms late, CY on time, TT missed, OT claimed; MIREX knows three."""
    labels = ("KD", "SD", "HH", "CY")
    reference = Onsets(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), (*labels, "TT"))
    estimate = Onsets(np.array([1.0, 2.02, 3.04, 4.0, 5.2, 6.0]), (*labels, "TT", "OT"))
    scores = scored(f"drums/{name}", reference, estimate)
    assert scores[scoring_of(f"drums/{name}").primary] == pytest.approx(expected)


BEATS = Beats(np.array([1, 2, 3, 4, 5.5, 6.5, 7.5, 8.5]), np.array([1, 2, 3, 4] * 2))
TRACKED = Beats(np.array([1, 2.2, 3.01, 4, 5.5, 6.56, 7.6, 8.5]), np.array([1, 2, 3, 4, 1, 2, 3, 4]))


@pytest.mark.parametrize(("name", "skip_s", "expected"), [("beat_this", 5.0, 3 / 4), ("madmom", 0.0, 6 / 8)])
def test_beats(name: str, skip_s: float, expected: float) -> None:
    scores = scored(f"beat/{name}", BEATS, TRACKED)
    sides = [mir_eval.beat.trim_beats(each.time_s, min_beat_time=skip_s) for each in (BEATS, TRACKED)]
    assert scores["beat/F-measure"] == mir_eval.beat.f_measure(*sides) == expected
    assert scores["beat/Cemgil"] == mir_eval.beat.cemgil(*sides)[0]
    assert scores["beat/Correct_Metric_Level_Total"] == mir_eval.beat.continuity(*sides)[1]


@pytest.mark.parametrize(("name", "fps"), [("marble", 75), ("marble_25_fps", 25)])
def test_beats_in_clips(name: str, fps: int) -> None:
    """As MARBLE: times as frames of clips of 10 s, the last of which has 8 s at least; the numbers of all clips."""
    random = np.random.default_rng(0)
    duration_s = 28.5
    reference_s = np.sort(random.uniform(0, duration_s, 60))
    estimate_s = np.unique(np.clip(reference_s + random.normal(0, 0.06, 60), 0, duration_s))
    matched, sizes = 0, np.zeros(2)
    for clip in range(3):  # the third is of 8.5 s
        sides = []
        for time_s in (reference_s, estimate_s):
            inside = time_s[(time_s >= 10 * clip) & (time_s < 10 * clip + 10)] - 10 * clip
            mask = np.zeros(10 * fps)
            for frame in np.round(inside * fps).astype(int):
                if frame < len(mask):
                    mask[frame] = 1
            sides.append(np.flatnonzero(mask) / fps)
        matched += len(mir_eval.util.match_events(*sides, 0.07))
        sizes += [len(side) for side in sides]
    expected = mir_eval.util.f_measure(matched / sizes[1], matched / sizes[0])
    nothing = np.zeros(60, dtype=int)
    reference, estimate = Beats(reference_s, nothing), Beats(estimate_s, nothing[: len(estimate_s)])
    scores = scored(f"beat/{name}", reference, estimate, duration_s)
    assert scores["beat/pooled_F-measure"] == scores["beat/F-measure"] == pytest.approx(expected, abs=1e-12)
    shorter = scored(f"beat/{name}", reference, estimate, 27.5)  # what is left of the third clip does not count
    assert shorter["beat/pooled_F-measure"] != scores["beat/pooled_F-measure"]


def test_clips_of_several_tracks_are_pooled() -> None:
    """2 of 3 and 2 right in one, 1 of 1 and 1 in the other: F of 3 right, 4 there and 3 claimed."""
    scoring = scoring_of("beat/marble")
    tracks = [([1, 2, 3], [1, 2]), ([5], [5])]
    sides = [[Beats(np.array(side, dtype=float), np.zeros(len(side), dtype=int)) for side in track] for track in tracks]
    evidence = [scoring.evidence(scoring.of_recording(a, 10.0), b) for a, b in sides]
    assert scoring.pooled(evidence)["beat/pooled_F-measure"] == pytest.approx(2 * 3 / 7)


def test_clips_of_unknown_downbeats_have_no_score_of_them() -> None:
    """Whichever side has no positions; MARBLE's 1 is for what has nothing to find and nothing found."""
    time_s = np.arange(0.5, 10.0, 0.5)
    known, unknown = Beats(time_s, np.arange(len(time_s)) % 4 + 1), Beats(time_s, np.zeros(len(time_s), dtype=int))
    for sides in ((known, unknown), (unknown, known)):
        scores = scored("beat/marble", *sides, 10.0)
        assert scores["beat/F-measure"] == scores["beat/pooled_F-measure"] == 1.0
        assert np.isnan([scores["downbeat/F-measure"], scores["downbeat/pooled_F-measure"]]).all()
    scoring = scoring_of("beat/marble")
    late = Beats(time_s, np.arange(1, len(time_s) + 1) % 4 + 1)
    evidence = [scoring.evidence(scoring.of_recording(known, 10.0), each) for each in (late, unknown)]
    assert scoring.pooled(evidence)["downbeat/pooled_F-measure"] == 0.0


@pytest.mark.parametrize(
    ("bpm", "acc1", "acc2"), [(124.0, 1, 1), (126.0, 0, 0), (60.0, 0, 1), (40.5, 0, 1), (360.0, 0, 1), (90.0, 0, 0)]
)
def test_tempo_of_giantsteps(bpm: float, acc1: float, acc2: float) -> None:
    """Of 120 beats per minute, within 4 %."""
    scores = scored("tempo/giantsteps", Tempo(bpm=120.0), Tempo(bpm=bpm))
    assert (scores["tempo/Acc1"], scores["tempo/Acc2"]) == (acc1, acc2)


def test_tempo_of_mirex() -> None:
    reference, estimate = Tempo(60.0, 120.0, 0.3), Tempo(62.0, 180.0, 0.5)
    expected = mir_eval.tempo.detection(np.array([60, 120]), 0.3, np.array([62, 180]))[0]
    assert scored("tempo/mirex", reference, estimate)["tempo/P-score"] == expected == 0.3
    assert scoring_of("tempo/mirex").primary == "tempo/P-score"


@pytest.mark.parametrize(
    ("estimate", "mirex", "symmetric"),
    [
        ("C major", 1, 1), ("G major", 0.5, 0.5), ("F major", 0, 0.5), ("A minor", 0.3, 0.3), ("C minor", 0.2, 0.2),
        ("D major", 0, 0),
    ],
)  # fmt: skip
def test_key(estimate: str, mirex: float, symmetric: float) -> None:
    tonic, mode = estimate.split()
    keys = Key(tonic=0, mode="major"), Key(tonic="C D EF G A".index(tonic), mode=mode)
    for name, expected in (("key/mirex", mirex), ("key/symmetric", symmetric)):
        assert scored(name, *keys)[scoring_of(name).primary] == expected


def chords(*rows: tuple[float, float, str]) -> Chords:
    start_s, end_s, label = zip(*rows, strict=True)
    return Chords(np.array(start_s), np.array(end_s), label)


CHORDS = chords((0, 2, "C:maj"), (2, 3, "A:min7"), (3, 4, "G:sus4"), (4, 6, "N"))
HEARD = chords((0, 1, "C:maj"), (1, 3, "A:min"), (3, 4, "G:maj"), (4, 5, "N"), (5, 6, "C:maj"))


def test_chords() -> None:
    """Right for 1 + 1 + 1 seconds of 5: a suspended chord cannot be compared."""
    assert scoring_of("chord/mirex").primary == "chord/WCSR_majmin"
    assert scored("chord/mirex", CHORDS, HEARD)["chord/WCSR_majmin"] == pytest.approx(3 / 5)


def test_chords_of_marble() -> None:
    """75 frames per second. N, which follows a chord that is neither, is taken for it; the clip goes on to 15 s so."""
    assert scoring_of("chord/marble").primary == "chord/pooled_frame_accuracy"
    scores = scored("chord/marble", CHORDS, HEARD)
    assert scores["chord/pooled_frame_accuracy"] == pytest.approx(2 * 75 / (3 * 75))
    assert scores["chord/WCSR_majmin"] == pytest.approx(3 / 5)


def test_chords_are_those_of_mir_eval() -> None:
    sides = [(np.stack([each.start_s, each.end_s], axis=1), list(each.label)) for each in (CHORDS, HEARD)]
    expected = mir_eval.chord.evaluate(*sides[0], *sides[1])
    scores = scored("chord/mir_eval", CHORDS, HEARD)
    assert {name: scores[f"chord/{name}"] for name in expected} == pytest.approx(expected)


def test_functions_of_sections() -> None:
    """Labels are right for 4 of 8 seconds; the border at 4 s is found at 4.4 s."""

    def hierarchy(*rows: tuple[float, float, str]) -> Hierarchy:
        start_s, end_s, label = zip(*rows, strict=True)
        return Hierarchy((Segments(np.array(start_s), np.array(end_s), label),))

    reference = hierarchy((0, 4, "verse"), (4, 8, "chorus"))
    estimate = hierarchy((0, 4.4, "verse"), (4.4, 8, "bridge"))
    scores = scored("segment/all_in_one", reference, estimate)
    sides = [
        (np.stack([each.levels[0].start_s, each.levels[0].end_s], axis=1), list(each.levels[0].label))
        for each in (reference, estimate)
    ]
    expected = mir_eval.segment.evaluate(*sides[0], *sides[1], trim=False)
    assert scores["segment/F-measure@0.5"] == expected["F-measure@0.5"] == 1
    assert scores["segment/Pairwise_F-measure"] == expected["Pairwise F-measure"]
    assert scores["segment/Label_accuracy"] == pytest.approx(0.5)
    raw = hierarchy((0, 4, "Pre-Chorus"), (4, 8, "refrain"))  # a verse and a chorus, by the rule
    mapped = scored("segment/spectnt", raw, estimate)
    names = [f"segment/{name}" for name in ("F-measure@0.5", "Pairwise_F-measure", "NCE_F-measure", "Label_accuracy")]
    assert [mapped[name] for name in names] == [scores[name] for name in names]


@pytest.mark.parametrize(
    ("argument", "rest", "expected"),
    [
        ("protocol=marble", ["task=beat"], ["protocol=beat/marble"]),
        ("protocol=beat/marble", [], ["protocol=beat/marble"]),
        ("protocol=adtof", [], ["protocol=drums/adtof"]),
        ("protocol=null", ["task=beat"], ["protocol=null"]),
        ("protocol=madmom,beat_this", ["-m", "task=beat"], ["protocol=beat/madmom,beat/beat_this"]),
        ("protocol=[marble]", ["task=[beat]"], ["+protocol@task.parts.beat=beat/marble"]),
        (
            "protocol=[beat/marble, chord/marble]", ["task=[beat,chord]"],
            ["+protocol@task.parts.beat=beat/marble", "+protocol@task.parts.chord=chord/marble"],
        ),
        ("data=synth", [], ["data=synth"]),
    ],
)  # fmt: skip
def test_names(argument: str, rest: list[str], expected: list[str]) -> None:
    assert overrides(argument, [*rest, argument]) == expected


@pytest.mark.parametrize(
    ("argument", "rest", "told"),
    [
        ("protocol=mirex", [], "of several tasks: give one of .*key/mirex"),
        ("protocol=mirx", ["task=key"], "no such protocol. key has: key/mirex, key/symmetric"),
        ("protocol=adtof", ["task=beat"], "no such protocol. beat has: beat/beat_this"),
        ("protocol=nothing", [], "There are: beat/beat_this"),
    ],
)
def test_names_that_are_none(argument: str, rest: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        overrides(argument, [*rest, argument])


def result_in(folder: Path) -> dict[str, Any]:
    [path] = [each for each in folder.rglob("result.json") if "baselines" not in each.parts]
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_a_run_is_scored_under_its_protocol_and_again_under_another(
    run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained for key, by the symmetric score; the same predictions ranked as MIREX does."""
    (tmp_path / "run").mkdir()
    code, error = run_here("train.py", *on_tones, "task=key", "protocol=symmetric", "hydra.run.dir=trained")
    assert (code, error) == (0, "")
    result = result_in(tmp_path / "trained")
    assert (result["choices"]["protocol"], result["primary"]) == ("key/symmetric", "key/Symmetric_Score")
    assert result["protocol"] == {"averaging": "tracks", "ranked_by": "key/Symmetric_Score"}
    again = ["run=trained", "protocol=key/mirex", "accelerator=cpu", "hydra.run.dir=again"]
    assert run_here("eval.py", *again) == (0, "")
    rescored = result_in(tmp_path / "again")
    assert (rescored["choices"]["protocol"], rescored["primary"]) == ("key/mirex", "key/Weighted_Score")
    assert rescored["metrics"] == pytest.approx(result["metrics"], nan_ok=True)
    assert (rescored["run_id"], rescored["config"]) == (result["run_id"], result["config"])
    code, error = run_here("eval.py", "run=trained", "protocol=beat/madmom", "hydra.run.dir=wrong")
    assert code == 1
    assert "the run's task is key" in error
    code, error = run_here("eval.py", "run=trained", "task=key", "protocol=mirex", "hydra.run.dir=wrong")
    assert "Leave task= out" in error
    code, error = run_here("eval.py", "run=trained", "task=beat", "hydra.run.dir=wrong")
    assert "the task is the run's own" in error
    capsys.readouterr()
    assert run_here("leaderboard.py", "trained", "again")[0] == 0
    printed = capsys.readouterr().out
    assert f"Protocol key/symmetric ({result['protocol_id']})" in printed
    assert f"Protocol key/mirex ({rescored['protocol_id']})" in printed

    # So are predictions that were scored under both: two results of one tree, on a board each.
    given = ["predictions=trained/predictions", "name=Mine", "task=key", *on_tones[-3:]]
    for name in ("symmetric", "mirex"):
        assert run_here("eval.py", *given, f"protocol={name}", f"hydra.run.dir=mine/{name}") == (0, "")
    ids = [result_in(tmp_path / "mine" / name)["run_id"] for name in ("symmetric", "mirex")]
    assert len({*ids}) == 2
    assert "has a run in it already" in run_here("eval.py", *given, "hydra.run.dir=mine/mirex")[1]
    capsys.readouterr()
    assert run_here("leaderboard.py", "mine", "--format", "json")[0] == 0
    boards = json.loads(capsys.readouterr().out)["boards"]
    own = [[each for each in board["systems"] if each["name"] == "Mine"] for board in boards]
    assert sorted(run["run_id"] for [each] in own for run in each["runs"]) == sorted(ids)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["task=key", "protocol=beat/madmom"], "protocol=beat/madmom is not of task=key"),
        (["task=key", "task.protocol.ranked_by=key/luck"], "no such metric. Some are key/Weighted_Score"),
        (["task=key", "task.protocol.ranked_by=key/fifth"], "neither higher nor lower is better"),
        (["task=key", "protocol=wrong"], "protocol=wrong: there is no such protocol"),
    ],
)  # fmt: skip
def test_wrong_protocols_are_told(run_here: Here, tones: Path, given: list[str], told: str) -> None:
    code, error = run_here("eval.py", "baseline=majority", "data=folder", f"data.root={tones}", *given)
    assert code == 1
    assert told in error


def test_a_changed_preset_has_no_name(run_here: Here, tones: Path, cache: Path, tmp_path: Path) -> None:
    given = ["task=key", "protocol=mirex", "task.protocol.averaging=works", "hydra.run.dir=out", f"cache_dir={cache}"]
    assert run_here("eval.py", "baseline=majority", "data=folder", f"data.root={tones}", *given) == (0, "")
    assert "protocol" not in result_in(tmp_path / "out")["choices"]


def test_several_tasks_each_have_theirs() -> None:
    from configs import hydra_composed
    from ricercar.harness.command import expanded

    given = "task=[beat,chord]", "protocol=[beat/marble,chord/marble]"
    whole = [part for each in given for one in overrides(each, list(given)) for part in expanded(one)]
    cfg = hydra_composed(tuple(whole), "config")
    scorings = assemble.make_tasks(cfg)
    assert {name: task.primary for name, task in scorings.items()} == {
        "beat": "beat/pooled_F-measure",
        "chord": "chord/pooled_frame_accuracy",
    }
