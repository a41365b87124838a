"""What a run shows at its end: the table, and for the tracker a picture and the sound of the worst track."""

import math
from collections.abc import Sequence
from pathlib import Path

from ricercar.data.annotations.notes import Notes
from ricercar.data.audio_store import AudioStore
from ricercar.data.track import Track
from ricercar.harness.evaluate import prediction_file
from ricercar.harness.pictures import piano_roll, write_png
from ricercar.harness.results import Result
from ricercar.harness.table import format_tracks
from ricercar.harness.trackers.tracker import Tracker
from ricercar.tasks.task import Task

EXCERPT_S = 15.0


def report(
    result: Result,
    *,
    tracks: Sequence[Track],
    task: Task,
    store: AudioStore,
    predictions: Path,
    folder: Path,
    tracker: Tracker,
) -> None:
    """Prints the table; writes `folder`/worst_track.png where the task has notes; hands all of it to the tracker."""
    print(format_tracks(result, task.shown))
    tracker.summary({f"test/{name}": value for name, value in result.metrics.items()})
    tracker.log_tracks([{"id": each.id, "group": each.group, **each.metrics} for each in result.tracks])
    scored = [each for each in result.tracks if not math.isnan(each.metrics[result.primary])]
    if not scored:
        return
    worst = min(scored, key=lambda each: each.metrics[result.primary])
    track = next(track for track in tracks if track.id == worst.id)
    caption = f"{track.id}: {result.primary} {worst.metrics[result.primary]:.3f}"
    length = min(int(EXCERPT_S * store.sample_rate), store.num_samples(track))
    tracker.log_audio("worst track", store.read(track, 0, length) / 32768.0, store.sample_rate, caption)
    reference = track.annotations[task.annotation.name]
    path = prediction_file(task, predictions, track.id)
    if isinstance(reference, Notes) and path is not None:
        picture = piano_roll(reference, Notes.read(path), 0.0, length / store.sample_rate, caption)
        write_png(folder / "worst_track.png", picture)
        tracker.log_picture("worst track", picture)
