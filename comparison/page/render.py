"""The page as text: template, styles, scripts and data in one file."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

_FOLDER = files("ricercar.comparison.page")
# In the order in which they build on each other: they are one script.
SCRIPTS = ("dom", "theme", "ranking", "plots", "pairs", "marks", "timeline", "viewer", "failures", "main")
_LIBRARIES = {"tabulator.min.js": "tabulator.LICENSE", "wavesurfer.min.js": "wavesurfer.LICENSE"}


def render(content: Mapping[str, Any], excerpts: Mapping[str, Any]) -> str:
    """The page's data and the excerpts, by the ids of their elements -> HTML."""
    libraries = [library(name, licence) for name, licence in _LIBRARIES.items()]
    script = "\n".join(read(f"{name}.js") for name in SCRIPTS)
    parts = {
        "title": html.escape(content["title"]),
        "data": "\n".join(data(name, value) for name, value in {"page": content, **excerpts}.items()),
        "libraries": "\n".join(f"<script>{library}</script>" for library in libraries),
        "script": script,
    }
    style = read("vendor/tabulator_simple.min.css") + read("page.css")
    return document(content["title"], style, filled(read("body.html"), parts), policy([*libraries, script]))


def document(title: str, style: str, body: str, policy: str | None = None) -> str:
    """The HTML around a body. policy: what a file says of itself; None: a server says it."""
    said = "" if policy is None else f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    parts = {"policy": said, "title": html.escape(title), "style": style, "body": body}
    return filled(read("document.html"), parts)


def filled(template: str, parts: Mapping[str, str]) -> str:
    """In one pass, so that what is filled in is never taken for the template."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def policy(scripts: Sequence[str], more: str = "") -> str:
    """Nothing is loaded from anywhere, and no script runs but the page's own: names from results are data.

    more: directives of what a page needs besides.
    """
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        f"img-src data: blob:; media-src data: blob:; base-uri 'none'; form-action 'none'{more}"
    )


def data(name: str, value: Any) -> str:
    """A JSON element, in which "<" cannot end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{html.escape(name)}">{text}</script>'


def library(name: str, licence: str) -> str:
    """The licences ask to be passed on with the code."""
    script = re.sub(r"//# sourceMappingURL=\S+", "", read(f"vendor/{name}"))
    notice = read(f"vendor/{licence}")
    assert "</script" not in script
    assert "*/" not in notice
    return f"/*\n{notice}*/\n{script}"


def read(name: str) -> str:
    """A file of the page."""
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")
