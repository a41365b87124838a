"""What the page draws of a recording: a spectrogram, and what was heard in it as marks."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from ricercar.comparison.excerpts import spectrogram, view_of
from ricercar.comparison.page.payload import marks_payload
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound
from ricercar.use.model import Model
from ricercar.use.serve import answers


def drawn(model: Model, sound: Sound, estimates: Mapping[str, Annotation]) -> dict[str, Any]:
    """view: {task: what an excerpt of the leaderboard's page has, but for the sound}. files: {suffix: data: URI}."""
    image, low, high = spectrogram(sound.samples / 32768.0, sound.sample_rate)
    shared = {"start_s": 0.0, "end_s": sound.duration_s, "spectrogram": image, "pitch_low": low, "pitch_high": high}
    view = {
        task: {
            **shared,
            "kind": view_of(model.tasks[task].annotation),
            "marks": marks_payload(model.tasks[task].estimate_marks(estimate), sound.duration_s),
        }
        for task, estimate in estimates.items()
    }
    kinds = [kind for kind in answers.offered(model) if kind in answers.FILES]
    files = {answers.FILES[kind]: _address(kind, answers.file(kind, estimates, sound.duration_s)) for kind in kinds}
    return {"view": view, "files": files}


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
