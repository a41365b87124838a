"""A survey as tables: what there is, then what is odd, then the problems."""

from collections.abc import Sequence

from tabulate import SEPARATING_LINE, tabulate

from ricercar.data.checking.survey import Survey
from ricercar.data.sources.index import SPLITS


def report(survey: Survey, most_lines: int | None) -> str:
    """Text to print. `most_lines` bounds the lines for each kind of oddity; problems are all there."""
    parts = [_splits(survey), _folds(survey), _kinds(survey)]
    if survey.odd:
        parts.append("WORTH A LOOK\n" + _listed(survey.odd, most_lines))
    if survey.problems:
        parts.append("PROBLEMS\n" + _listed(survey.problems, None))
    num_odd, num_problems = (sum(map(len, each.values())) for each in (survey.odd, survey.problems))
    parts.append(f"{num_problems or 'no'} problem{'s' * (num_problems != 1)}, {num_odd or 'nothing'} worth a look")
    return "\n\n".join(part for part in parts if part) + "\n"


def _splits(survey: Survey) -> str:
    rows = []
    for split in (*SPLITS, None):
        chosen = [index for index, track in enumerate(survey.tracks) if split in (None, track.split)]
        groups = {survey.tracks[index].group for index in chosen}
        seconds = [survey.seconds[index] for index in chosen]
        if chosen:
            spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
            rows.append([split or "all", f"{len(chosen):,}", f"{len(groups):,}", f"{sum(seconds) / 3600:.2f}", spread])
    return _table(["split", "tracks", "groups", "hours", "seconds of a track"], rows, ("left", *("right",) * 4))


def _folds(survey: Survey) -> str:
    """Those that the data set names."""
    rows = []
    for fold in sorted({track.fold for track in survey.tracks if track.fold is not None}):
        chosen = [index for index, track in enumerate(survey.tracks) if track.fold == fold]
        groups = {survey.tracks[index].group for index in chosen}
        hours = sum(survey.seconds[index] for index in chosen) / 3600
        rows.append([str(fold), f"{len(chosen):,}", f"{len(groups):,}", f"{hours:.2f}"])
    return _table(["fold", "tracks", "groups", "hours"], rows, ("right",) * 4) if rows else ""


def _kinds(survey: Survey) -> str:
    rows = []
    for kind in sorted({kind for kind, _ in survey.kinds}):
        for split in SPLITS:
            if (kind, split) in survey.kinds:
                total = survey.kinds[kind, split]
                hours = "" if total.seconds is None else f"{total.seconds / 3600:.2f}"
                rows.append([kind, split, f"{total.tracks:,}", f"{total.events:,}", hours])
    headers = ["annotation", "split", "tracks", "events", "labelled hours"]
    return _table(headers, rows, ("left", "left", "right", "right", "right")) if rows else "no annotations"


def _listed(found: dict[str, list[str]], most_lines: int | None) -> str:
    lines = []
    for what, where in found.items():
        lines.append(f"{what} ({len(where):,})")
        lines += [f"  {each}" for each in where[:most_lines]]
        if most_lines is not None and len(where) > most_lines:
            lines.append(f"  ... and {len(where) - most_lines:,} more")
    return "\n".join(lines)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[str]) -> str:
    content = [headers, SEPARATING_LINE, *rows]
    text: str = tabulate(content, tablefmt="simple", colalign=align, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines()[1:-1])
