"""What a run shows at its end: the table, and for the tracker a image and the sound of the worst track."""

import math
from collections.abc import Sequence
from pathlib import Path

from ricercar.data.annotations.notes import Notes
from ricercar.data.audio.store import AudioStore
from ricercar.data.track import Track
from ricercar.harness.baselines import score_baselines
from ricercar.harness.evaluate import prediction_file
from ricercar.harness.piano_roll import piano_roll, write_png
from ricercar.harness.results import Result
from ricercar.harness.table import format_tracks
from ricercar.harness.trackers.tracker import Tracker
from ricercar.tasks.scoring import Scoring

EXCERPT_S = 15.0


def finish(
    result: Result,
    taught: Sequence[Track],
    tracks: Sequence[Track],
    scoring: Scoring,
    store: AudioStore,
    folder: Path,
    predictions: Path,
    tracker: Tracker,
) -> None:
    """Writes result.json, puts trivial baselines beside it, and reports. taught: what the baselines learn from."""
    result.write(folder / "result.json")
    baselines = score_baselines(result, scoring, taught, tracks, store, folder)
    report(result, baselines, tracks, scoring, store, folder, predictions, tracker)


def report(
    result: Result,
    baselines: Sequence[Result],
    tracks: Sequence[Track],
    scoring: Scoring,
    store: AudioStore,
    folder: Path,
    predictions: Path,
    tracker: Tracker,
) -> None:
    """Prints the table; writes `folder`/worst_track.png where the task has notes; hands all of it to the tracker."""
    print(format_tracks(result, scoring, baselines))
    prefix = f"{result.choices['task']}/" if "tasks" in result.choices else ""
    tracker.summary({f"test/{prefix}{name}": value for name, value in result.metrics.items()})
    tracker.summary({f"cost/{name}": value for name, value in vars(result.cost).items() if value is not None})
    tracker.summary({f"{prefix}protocol_id": result.protocol_id, f"{prefix}fingerprint": result.dataset.fingerprint})
    tracker.summary({f"baseline/{prefix}{each.choices['system']}": each.metrics[each.primary] for each in baselines})
    rows = [{"id": each.id, "group": each.group, **each.metrics} for each in result.tracks]
    tracker.log_tracks(f"test/{prefix}tracks", rows)
    name, worst = result.primary_of_tracks, result.worst_first[0]
    if math.isnan(worst.metrics[name]):  # no track has a score
        return
    track = next(track for track in tracks if track.id == worst.id)
    caption = f"{track.id}: {name} {worst.metrics[name]:.3f}"
    length = min(int(EXCERPT_S * store.sample_rate), store.num_samples(track))
    tracker.log_audio(f"{prefix}worst track", store.read(track, 0, length) / 32768.0, store.sample_rate, caption)
    reference = scoring.reference(track.annotations)
    path = prediction_file(scoring, predictions, track.id)
    if isinstance(reference, Notes) and path is not None:
        image = piano_roll(reference, Notes.read(path), 0.0, length / store.sample_rate, caption)
        write_png(folder / "worst_track.png", image)
        tracker.log_image(f"{prefix}worst track", image)
