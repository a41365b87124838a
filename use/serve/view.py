"""What the page of the service shows of a recording: what was heard in it, and files of that to be kept."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound
from ricercar.use.model import Model
from ricercar.use.page import drawn
from ricercar.use.serve import answers


def shown(model: Model, sound: Sound, estimates: Mapping[str, Annotation]) -> dict[str, Any]:
    """view: as `drawn`. files: {suffix: data: URI}."""
    kinds = [kind for kind in answers.offered(model) if kind in answers.FILES]
    files = {answers.FILES[kind]: _address(kind, answers.file(kind, estimates, sound.duration_s)) for kind in kinds}
    return {"view": drawn(model, sound, estimates), "files": files}


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
