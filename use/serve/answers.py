"""What a request is answered with: its media type, and what that holds of the estimates."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats import writing
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.audio.sound import Sound
from ricercar.use.events import can_be_told
from ricercar.use.model import Model
from ricercar.use.serve.limits import RefusedError

JSON, MIDI, JAMS, EVENTS = "application/json", "audio/midi", "application/jams+json", "text/event-stream"
FILES = {MIDI: "mid", JAMS: "jams"}  # those that are files, and how they end
_OF_FILES = ("unended",)  # fields that say something of a file that was read
_UPLOAD = {"type": "string", "format": "binary"}
# What FastAPI cannot tell from the types: the body is read as it comes.
DESCRIPTION: dict[str, Any] = {
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "description": "A recording (WAV, FLAC, OGG, MP3, AIFF ...): the body itself, or the file of a form.",
            "content": {
                "application/octet-stream": {"schema": _UPLOAD},
                "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _UPLOAD}}},
            },
        }
    },
    "responses": {
        200: {
            "description": "What was heard.",
            "content": {
                JSON: {"schema": {"type": "object"}},
                MIDI: {"schema": _UPLOAD},
                JAMS: {"schema": {"type": "object"}},
                EVENTS: {"schema": {"type": "string"}},
            },
        },
        400: {"description": "It is no recording, or none that can be read."},
        401: {"description": "The token is missing or wrong."},
        404: {"description": "There is no such model."},
        406: {"description": "The model does not answer in any of these forms."},
        413: {"description": "The recording is too large or too long."},
        429: {"description": "This client has too many requests at once."},
        503: {"description": "There are too many requests at once."},
        504: {"description": "It takes too long."},
    },
}
_OTHER_NAMES = {"audio/x-midi": MIDI, "audio/mid": MIDI, "application/vnd.jams+json": JAMS}


def accepted(header: str, offered: Sequence[str]) -> str:
    """-> which of the media types on offer an Accept header likes most, of equals the first. RefusedError 406."""
    quality = _qualities(header or "*/*")
    best, liked = 0.0, ""
    for each in offered:
        kind = each.partition("/")[0]
        found = next((quality[name] for name in (each, f"{kind}/*", "*/*") if name in quality), 0.0)
        if found > best:
            best, liked = found, each
    if not liked:
        raise RefusedError(406, f"Accept: {header}: this model answers in {', '.join(offered)}.")
    return liked


def _qualities(header: str) -> dict[str, float]:
    """{media type or range: how much it is liked, from 0 to 1}"""
    found = {}
    for each in header.split(","):
        name, *parameters = (part.strip().lower() for part in each.split(";"))
        given = [part.partition("=")[2] for part in parameters if part.partition("=")[0].strip() == "q"]
        try:
            found[_OTHER_NAMES.get(name, name)] = float(given[0]) if given else 1.0
        except ValueError:
            found[_OTHER_NAMES.get(name, name)] = 0.0
    return found


def plain(annotation: Annotation) -> dict[str, Any]:
    """JSON values: the kind, and its events, each with its fields; of a kind about the whole recording the fields."""
    return {"kind": annotation.name, **_content(annotation)}


def _content(annotation: Annotation) -> dict[str, Any]:
    if isinstance(annotation, Hierarchy):
        return {"levels": [_content(each)["events"] for each in annotation.levels]}
    if isinstance(annotation, Multipitch):
        pitches = np.split(annotation.frequency_hz, np.cumsum(annotation.count)[:-1])
        rows = zip(annotation.time_s.tolist(), pitches, strict=False)  # without times there is one empty part
        return {"events": [{"time_s": round(time, 6), "frequencies_hz": _plain(each)} for time, each in rows]}
    names = [each.name for each in fields(annotation) if each.init and each.name not in _OF_FILES]  # type: ignore[arg-type]
    values = {name: _plain(getattr(annotation, name)) for name in names}
    columns = {name: value for name, value in values.items() if isinstance(value, list)}
    rest = {name: value for name, value in values.items() if name not in columns}
    if not columns:
        return rest
    events = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {**rest, "events": events}


def _plain(value: Any) -> Any:
    """Numbers as far as files have them: 6 decimals."""
    if isinstance(value, np.ndarray):
        return (np.round(value, 6) if value.dtype.kind == "f" else value).tolist()
    return list(value) if isinstance(value, tuple) else value


def whole(model: str, sound: Sound, estimates: Mapping[str, Annotation]) -> dict[str, Any]:
    """The answer in JSON. flaw: what does not hold of the recording's length; empty where all does."""
    return {
        "model": model,
        "seconds": round(sound.duration_s, 3),
        "flaw": sound.flaw,
        "estimates": {task: plain(each) for task, each in estimates.items()},
    }


def offered(model: Model) -> list[str]:
    """The media types that a model answers in."""
    kinds = [task.annotation.formats() for task in model.tasks.values()]
    files = [kind for kind, name in FILES.items() if any(name in each for each in kinds)]
    return [JSON, *files, EVENTS]


def told(model: Model) -> list[str]:
    """The tasks whose events are told while the recording is on its way; of the others, what depends on all of it."""
    return [name for name, task in model.tasks.items() if can_be_told(task)]


def file(media_type: str, estimates: Mapping[str, Annotation], seconds: float) -> bytes:
    """The estimates as a file of that type: the notes as MIDI, all that JAMS has a namespace for as JAMS."""
    if media_type == MIDI:
        notes = next(each for each in estimates.values() if isinstance(each, Notes))
        with tempfile.TemporaryFile() as nameless:  # so that nothing is left of it, however this process ends
            notes.write_midi(Path(f"/proc/self/fd/{nameless.fileno()}"))
            nameless.seek(0)
            return nameless.read()
    texts = [writing.content(each, "estimate.jams", seconds) for each in estimates.values()]
    first, *others = (json.loads(text) for text in texts if text is not None)
    first["annotations"] += [annotation for each in others for annotation in each["annotations"]]
    return json.dumps(first, ensure_ascii=False).encode()
