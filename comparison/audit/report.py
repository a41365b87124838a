"""A label audit as tables of texts, as JSON, and as what the page shows of it."""

import math
from collections.abc import Sequence
from typing import Any

from ricercar.comparison.audit.audit import DRIFT, EARLY, LACKS, LATE, UNHEARD, Audit
from ricercar.comparison.audit.timing import Span
from ricercar.comparison.audit.track import TrackAudit
from ricercar.comparison.found import Problem
from ricercar.comparison.numerals import score
from ricercar.comparison.options import clean, listed
from ricercar.comparison.report import Report, Sheet
from ricercar.harness.typed_json import to_json

SCHEMA = 1
_MANY = 10  # names in a sentence


def report(audit: Audit) -> Report:
    board = audit.board
    sheets = [_doubts(audit), _scores(audit)] if audit.doubts else []
    return Report(
        title=f"Labels of {board.title}: {len(audit.doubts)} of {len(audit.judged)} judged tracks to look at",
        apart=board.apart,
        sheets=sheets,
        under=[*summary(audit), *how(audit)],
        notes=audit.notes,
    )


def summary(audit: Audit) -> list[str]:
    """What is said of all tracks together."""
    found = [f"Scores are {audit.board.primary}; the leaderboard's are those of all tracks."]
    if not audit.doubts:
        found = ["The systems agree with each other against the labels of no track."]
    usual = {each.name: audit.usual_s[each.key] for each in audit.voices if not math.isnan(audit.usual_s[each.key])}
    if usual:
        said = listed((f"{lateness(value)} by {name}" for name, value in usual.items()), _MANY)
        found.append(
            f"Usual, which is the median of all tracks: labels {said}. Whether all labels are so, or the systems have "
            "that habit, an audit cannot tell; single tracks are named for what is beyond it."
        )
    return found


def how(audit: Audit) -> list[str]:
    """What the audit takes for granted, and by which rules it judges."""
    rules, names = audit.rules, listed((each.name for each in audit.voices), _MANY)
    least, agree, reach = (f"{1000 * each:g} ms" for each in (rules.least_s, rules.agree_s, rules.reach_s))
    return [
        f"Judged by {names}. They are taken to be unrelated: not seeds of one, and not trained on one another's output."
        " What all of them get wrong in the same way is charged to the labels.",
        f"Labels are late where all systems place what they match {least} or more before them, beyond the usual, "
        f"within {agree} of each other, with 95 % intervals on that side of 0; up to {reach} are looked for. Drift is "
        "that along the track.",
        "Events in doubt are counted once lateness is taken out. A track is named for them where they are "
        f"{100 * rules.share:g} % of its labels or more above what is usual on these tracks.",
    ]


def lateness(seconds: float) -> str:
    """12 ms late, 3 ms early, on time"""
    ms = 1000 * seconds
    return "on time" if abs(ms) < 0.5 else f"{abs(ms):.0f} ms {'late' if ms > 0 else 'early'}"


def reasons(track: TrackAudit, why: Sequence[str]) -> list[str]:
    """Why the labels of a track are to be looked at, in words."""
    found = []
    if DRIFT in why:
        first_s, last_s = track.ends_s
        found.append(f"labels drift, {lateness(first_s)} to {lateness(last_s)}")
    if track.late is not None and (LATE in why or EARLY in why):
        found.append(f"labels {lateness(track.late.value)} ({_between(track.late)}), beyond the usual")
    if LACKS in why:
        found.append(f"{len(track.lacking)} events that all find are not in {track.num_labels} labels")
    if UNHEARD in why:
        found.append(f"none finds {len(track.unfound)} of {track.num_labels} labels")
    return found


def _between(span: Span) -> str:
    """The ends, as sizes: 10 to 14 ms."""
    low, high = sorted((abs(span.low), abs(span.high)))
    return f"{1000 * low:.0f} to {1000 * high:.0f}"


def _doubts(audit: Audit) -> Sheet:
    """By track: why, and how late labels are by each system."""
    by_system = [clean(each.name, 30) for each in audit.voices]
    headers = [
        "track",
        "labels to look at",
        *by_system,
        "found by all, not labelled",
        "labelled, found by none",
        "labels",
    ]
    rows = []
    for name, why in audit.doubts.items():
        track = audit.track(name)
        by_each = [_by(track, each.key) for each in audit.voices]
        numbers = [len(track.lacking), len(track.unfound), track.num_labels]
        rows.append([clean(name), "; ".join(reasons(track, why)), *by_each, *map(str, numbers)])
    numeric = [False, False, *[False] * len(audit.voices), True, True, True]
    return Sheet(headers, numeric, [("", rows)], [[False] * len(headers) for _ in rows], 1)


def _by(track: TrackAudit, key: str) -> str:
    found = track.timings.get(key)
    return "not judged" if found is None else lateness(found.late.value)


def _scores(audit: Audit) -> Sheet:
    left = len(audit.board.tracks) - len(audit.doubts)
    headers = ["system", f"all {len(audit.board.tracks)} tracks", f"{left} not in doubt"]
    rows = [[each.system.name, score(each.everything), score(each.rest)] for each in audit.scores]
    return Sheet(headers, [False, True, True], [("", rows)], [[False] * 3 for _ in rows], 1)


def as_json(audits: Sequence[Audit], refused: Sequence[str], problems: Sequence[Problem]) -> str:
    """Everything, in seconds; docs/leaderboard.md describes it."""
    return to_json(
        {
            "schema": SCHEMA,
            "boards": [_board(each) for each in audits],
            "not_audited": list(refused),
            "problems": [{"path": str(each.path), "text": each.text} for each in problems],
        }
    )


def _board(audit: Audit) -> dict[str, Any]:
    board = audit.board
    return {
        "id": board.id,
        "task": board.task,
        "data": board.data,
        "split": board.split,
        "fingerprint": board.fingerprint,
        "protocol_id": board.protocol_id,
        "primary": board.primary,
        "rules": audit.rules,
        "voices": [
            {"name": each.name, "key": each.key, "usual_late_s": audit.usual_s[each.key]} for each in audit.voices
        ],
        "to_look_at": list(audit.doubts),
        "tracks": [_track(audit, each) for each in audit.tracks],
        "scores": [
            {"name": each.system.name, "key": each.system.key, "all_tracks": each.everything, "without": each.rest}
            for each in audit.scores
        ],
        "notes": audit.notes,
    }


def _track(audit: Audit, track: TrackAudit) -> dict[str, Any]:
    return {
        "id": track.id,
        "judged": track.is_judged,
        "reasons": audit.doubts.get(track.id, []),
        "num_labels": track.num_labels,
        "late": track.late,
        "drift": track.drift,
        "by_system": {key: vars(each) for key, each in track.timings.items()},
        "lacking": track.lacking,
        "unfound": track.unfound,
    }


def page_part(audit: Audit) -> dict[str, Any]:
    """What the page shows of it."""
    sheet = _doubts(audit)
    return {
        "summary": [*summary(audit), *how(audit), *audit.notes],
        "headers": sheet.headers,
        "rows": sheet.sections[0][1],
        "ids": list(audit.doubts),
        "scores": [_scores(audit).headers, *_scores(audit).sections[0][1]] if audit.doubts else [],
    }
