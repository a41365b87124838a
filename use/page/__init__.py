"""What was heard in a recording, as one file to look at and to listen to: nothing is loaded from anywhere."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Any

from ricercar.comparison.excerpts import cut, mp3, spectrogram, view_of
from ricercar.comparison.page import render
from ricercar.comparison.page.payload import marks_payload
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound
from ricercar.use.model import Model

LONGEST_S = 1800.0  # of what a page shows: 17 MB of sound, which a browser decodes as a whole
_FOLDER = files("ricercar.use.page")
_SHARED = ("dom", "theme", "marks", "timeline")  # scripts of the leaderboard's page
_LIBRARY = ("wavesurfer.min.js", "wavesurfer.LICENSE")


def page(model: Model, name: str, sound: Sound, estimates: Mapping[str, Annotation]) -> str:
    """HTML. Of a sound longer than LONGEST_S its beginning, which the page says.

    name: what the recording is called
    """
    shown = replace(sound, samples=sound.samples[: round(LONGEST_S * sound.sample_rate)])
    heard = {
        "name": name,
        "model": model.name,
        "seconds": round(sound.duration_s, 3),
        "flaw": sound.flaw,
        "view": drawn(model, shown, estimates),
        "audio": mp3(shown.samples / 32768.0, shown.sample_rate),
    }
    own = scripts(_read("heard.js"))
    filled = body(
        own, render.data("heard", heard), "This page draws what was heard with JavaScript, which is switched off here."
    )
    return render.document(name, render.read("page.css"), filled, render.policy(own))


def drawn(model: Model, sound: Sound, estimates: Mapping[str, Annotation]) -> dict[str, Any]:
    """What an excerpt of the leaderboard's page has, but for the sound, and of each task its kind and its marks."""
    image, low, high = spectrogram(sound.samples / 32768.0, sound.sample_rate)
    end_s = sound.duration_s
    tasks = {
        task: {
            "kind": view_of(model.tasks[task].annotation),
            "marks": marks_payload(cut(model.tasks[task].estimate_marks(estimate), 0.0, end_s), end_s),
        }
        for task, estimate in estimates.items()
    }
    return {"start_s": 0.0, "end_s": end_s, "spectrogram": image, "pitch_low": low, "pitch_high": high, "tasks": tasks}


def scripts(own: str) -> tuple[str, str]:
    """-> the library that plays, and the script of a page: what all pages share, the viewer, and its own."""
    shared = [render.read(f"{name}.js") for name in _SHARED]
    return render.library(*_LIBRARY), "\n".join([*shared, _read("result.js"), own])


def body(scripts: tuple[str, str], data: str, without: str) -> str:
    """The body of a page of sound and what was heard. without: what stands there where JavaScript is off, as HTML."""
    library, script = scripts
    parts = {"without": without, "data": data, "library": f"<script>{library}</script>", "script": script}
    return render.filled(_read("body.html"), parts)


def _read(name: str) -> str:
    return str(_FOLDER.joinpath(name).read_text(encoding="utf-8"))
