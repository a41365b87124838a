"""JAMS files -> annotations of every kind that has a namespace there."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.formats.beat_positions import check_counted_from_1
from ricercar.data.annotations.formats.jams_observations import Observations, found
from ricercar.data.annotations.formats.note_units import check_hz, check_seconds
from ricercar.data.annotations.formats.rows import RowError, require, times
from ricercar.data.annotations.frequencies import hz_to_midi
from ricercar.errors import InputError

T = TypeVar("T")
Floats = NDArray[np.float64]
Parts = Sequence[Observations]

_LEAST_HOP_S = 0.001
_GAP = 2.5  # a contour is silent where its times are apart by more than this many usual steps


def read(path: Path, kind: type[T]) -> T:
    """The annotation of a kind in a JAMS file.

    Of the namespaces that fit (_NAMESPACES below), the first that the file has counts, and of several annotations
    with it the first in the file: the others are other annotators' or other versions. But notes and multipitch are
    those of all annotations of the first annotator, where each has a data source of its own: GuitarSet has one for
    each string. Several annotators are never added up.
    """
    name = vars(kind)["name"]
    parts = found(path, _NAMESPACES[name])
    built: T = _BUILDERS[name](kind, parts)
    return built


def _first(build: Callable[[Any, Observations], Any]) -> Callable[[Any, Parts], Any]:
    """Builds from the first annotation, with errors that name it."""

    def from_first(kind: Any, parts: Parts) -> Any:
        with parts[0].located():
            return build(kind, parts[0])

    return from_first


def _together(build: Callable[[Any, Parts], Any]) -> Callable[[Any, Parts], Any]:
    """Builds from the parts of one annotator's annotation. InputError where it is not known whether they are parts."""

    def from_parts(kind: Any, parts: Parts) -> Any:
        own = [part for part in parts if part.annotator == parts[0].annotator]
        filled = [part for part in own if len(part)]
        sources = [part.data_source for part in filled]
        if len(filled) > 1 and (not all(sources) or len(set(sources)) < len(sources)):
            with filled[1].located():
                raise InputError(
                    f"{len(filled)} annotations by one annotator, and no annotation_metadata.data_source of their own "
                    "that says of which part each is (a string, a voice): are they parts, to be put together, or "
                    "versions? Give each part its data_source, or remove the other versions."
                )
        return build(kind, filled or own)

    return from_parts


def _notes(kind: Any, parts: Parts) -> Any:
    """Velocity and instrument are not in JAMS. pitch_midi, pitch_hz: notes of older files."""
    made, values, hz = [], [], parts[0].namespace.endswith("hz")
    for part in parts:
        with part.located():
            values.append(part.numbers())
            made.append(kind.make(part.time_s, part.end_s, _midi(values[-1]) if hz else values[-1]))
            check_seconds(part.time_s, part.end_s)
    with parts[0].located():
        if hz:
            check_hz(np.concatenate(values))
    columns = ("onset_s", "offset_s", "pitch")
    return kind.make(*(np.concatenate([getattr(each, column) for each in made]) for column in columns))


def _midi(frequency_hz: Floats) -> Floats:
    require(frequency_hz > 0, lambda row: f"frequency {frequency_hz[row]:g} Hz is not above 0 Hz.")
    return hz_to_midi(frequency_hz)


def _beats(kind: Any, part: Observations) -> Any:
    """Values that are all the same (SMC: 1), null and NaN are no positions."""
    key = "position" if part.namespace == "beat_position" else None
    position = np.nan_to_num(part.numbers(key, missing=0.0), nan=0.0, posinf=np.inf, neginf=-np.inf)
    check_counted_from_1(position)
    return kind.make(part.time_s, 0.0 if len(part) > 1 and np.ptp(position) == 0 else position)


def _onsets(kind: Any, part: Observations) -> Any:
    labelled = all(isinstance(value, str) and value for value in part.value)
    return kind(time_s=part.time_s, label=part.texts()) if labelled else kind.make(part.time_s)


def _intervals(kind: Any, part: Observations) -> Any:
    return kind(start_s=part.time_s, end_s=part.end_s, label=part.texts())


def _hierarchy(kind: Any, parts: Parts) -> Any:
    levels = [parts[0]]
    if parts[0].namespace == "multi_segment":
        with parts[0].located():
            level = parts[0].numbers("level")
        levels = [parts[0].taken(level == number, "label") for number in np.unique(level)]
    elif parts[0].namespace.startswith("segment_salami"):
        names = [part.namespace for part in parts]
        levels = [
            parts[names.index(name)] for name in ("segment_salami_upper", "segment_salami_lower") if name in names
        ]
    made = []
    for each in levels:
        with each.located():
            made.append(_intervals(kind.level_kind, each))
    return kind(tuple(made))


def _key(kind: Any, part: Observations) -> Any:
    keys: list[Any] = []
    for row, text in enumerate(part.texts()):
        try:
            keys.append(kind.parse(text))
        except InputError as error:
            raise RowError(row, str(error)) from error
        if keys[row] != keys[0]:
            raise RowError(row, f"a second key, {text!r}. A track has one key here: give the main one.")
    if not keys:
        raise InputError("there is no key in it.")
    return keys[0]


def _tempo(kind: Any, part: Observations) -> Any:
    """One tempo; or two, with the confidence of the first as its strength (as in jams.eval)."""
    bpm = part.numbers()
    if len(bpm) not in (1, 2):
        raise InputError(f"{len(bpm)} tempi. A track has one, or the two that listeners tap.")
    if len(bpm) == 1:
        return kind(bpm=bpm[0])
    return kind(bpm=bpm[0], other_bpm=bpm[1], strength=part.confidences()[0])


def _tags(kind: Any, part: Observations) -> Any:
    """The confidence of a tag is its score, 1 where there is none; of a tag that is there several times the highest.

    tag_open with confidences has what was asked (OpenMIC), and nothing is known of other tags.
    """
    partial = part.namespace == "tag_open" and any(
        isinstance(each, int | float) and not np.isnan(each) for each in part.confidence
    )
    score = part.confidences(missing=1.0)
    best: dict[str, float] = {}
    for tag, each in zip(part.texts(), score, strict=True):
        best[tag.strip()] = max(best.get(tag.strip(), 0.0), float(each))
    return kind(tuple(best), tuple(best.values()), partial=partial)


def _melody(kind: Any, part: Observations) -> Any:
    """Silence is put into gaps of a contour that was written only where it sounds."""
    time_s, frequency_hz = part.time_s, _contour(part)
    kind(time_s=time_s, frequency_hz=frequency_hz)  # its errors name the observation
    step_s = np.diff(time_s)
    usual_s = float(np.median(step_s)) if len(step_s) else 0.0
    (gaps,) = np.nonzero(step_s > _GAP * usual_s)
    edges_s = np.concatenate([time_s[gaps] + usual_s, time_s[gaps + 1] - usual_s])
    order = np.argsort(np.concatenate([time_s, edges_s]), kind="stable")
    return kind(
        time_s=np.concatenate([time_s, edges_s])[order],
        frequency_hz=np.concatenate([frequency_hz, np.zeros(len(edges_s))])[order],
    )


def _multipitch(kind: Any, parts: Parts) -> Any:
    """At the times of the contours where all have the same, else on a grid with the usual step between their times."""
    hz: list[Floats] = []
    voice: list[tuple[int, str]] = []
    for number, part in enumerate(parts):
        with part.located():
            hz.append(_contour(part))
            checked = kind.make(np.arange(len(part)) / len(part), [[x] if x > 0 else [] for x in hz[-1]])
            assert len(checked) == len(times(part.time_s, "time"))
        index = [value.get("index", 0) if isinstance(value, dict) else 0 for value in part.value]
        voice += [(number, str(each)) for each in index]
    time_s, row = _frames([part.time_s for part in parts])
    sounding: list[dict[tuple[int, str], float]] = [{} for _ in time_s]
    for each, own, frequency in zip(row.tolist(), voice, np.concatenate(hz).tolist(), strict=True):
        if frequency > 0:
            sounding[each].setdefault(own, frequency)
    return kind.make(time_s, [list(each.values()) for each in sounding])


def _frames(times_s: Sequence[Floats]) -> tuple[Floats, NDArray[np.intp]]:
    """-> the times of frames for all contours, and the frame of each of their observations, one after the other."""
    together = np.concatenate(times_s)
    if all(np.array_equal(each, times_s[0]) for each in times_s):
        return np.unique(together, return_inverse=True)
    steps_s = np.concatenate([np.diff(each) for each in times_s])
    steps_s = steps_s[steps_s > 0]
    hop_s = max(_LEAST_HOP_S, float(np.median(steps_s)) if len(steps_s) else 0.0)
    row = np.rint(together / hop_s).astype(np.intp)
    return np.arange(row.max() + 1) * hop_s, row


def _contour(part: Observations) -> Floats:
    """(n,) Hz; 0 or below where it is not voiced."""
    if part.namespace != "pitch_contour":
        return part.numbers()
    frequency_hz = part.numbers("frequency")
    voiced = np.array([value.get("voiced", True) is not False for value in part.value], dtype=bool)
    return np.where(voiced, frequency_hz, -np.abs(frequency_hz))


def _patterns(kind: Any, part: Observations) -> Any:
    """Patterns and occurrences in the order of their numbers."""
    midi, pattern, occurrence = (part.numbers(key) for key in ("midi_pitch", "pattern_id", "occurrence_id"))
    patterns: dict[float, dict[float, list[tuple[float, float]]]] = {}
    for row in np.lexsort((np.arange(len(part)), occurrence, pattern)).tolist():
        occurrences = patterns.setdefault(pattern[row], {})
        occurrences.setdefault(occurrence[row], []).append((part.time_s[row], midi[row]))
    return kind(tuple(tuple(tuple(notes) for notes in each.values()) for each in patterns.values()))


def _alignment(kind: Any, part: Observations) -> Any:
    return kind(time_s=part.time_s, event=part.texts())


_SECTIONS = ("segment_open", "segment_salami_function", "segment_salami_upper", "segment_salami_lower", "segment_tut")
_CONTOURS = ("pitch_contour", "pitch_hz", "melody_hz")
_NAMESPACES: Mapping[str, Sequence[str]] = {
    "alignment": ("lyrics",),
    "beats": ("beat_position", "beat"),
    "chords": ("chord", "chord_harte"),
    "hierarchy": ("multi_segment", "segment_salami_[ul]*", *_SECTIONS),
    "key": ("key_mode", "key"),
    "melody": _CONTOURS,
    "multipitch": _CONTOURS,
    "notes": ("note_midi", "note_hz", "pitch_midi", "pitch_hz"),
    "onsets": ("onset",),
    "patterns": ("pattern_jku",),
    "segments": _SECTIONS,
    "tags": ("tag_*",),
    "tempo": ("tempo",),
}
_BUILDERS: Mapping[str, Callable[[Any, Parts], Any]] = {
    "alignment": _first(_alignment),
    "beats": _first(_beats),
    "chords": _first(_intervals),
    "hierarchy": _hierarchy,
    "key": _first(_key),
    "melody": _first(_melody),
    "multipitch": _together(_multipitch),
    "notes": _together(_notes),
    "onsets": _first(_onsets),
    "patterns": _first(_patterns),
    "segments": _first(_intervals),
    "tags": _first(_tags),
    "tempo": _first(_tempo),
}
