"""The pages of the service, each one file: nothing is loaded from anywhere."""

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from ricercar.comparison.page import render
from ricercar.use.model import Model
from ricercar.use.page import body, scripts
from ricercar.use.serve.limits import Limits

_FOLDER = files("ricercar.use.serve.page")
_WITHOUT = (
    "This page needs JavaScript, which is switched off here. POST /transcribe works without: see "
    '<a href="docs">docs</a>.'
)
_KEEPS = "; connect-src 'self' blob: data:; frame-ancestors 'none'"


def index(models: Mapping[str, Model], limits: Limits, asks_token: bool) -> tuple[str, dict[str, str]]:
    """-> the page at /, where a recording is dropped, seen and heard, and its headers."""
    own = scripts(_read("serve.js"))
    about = {
        "models": [{"name": name, "tasks": list(model.tasks)} for name, model in models.items()],
        "max_mb": limits.max_mb,
        "max_minutes": limits.max_minutes,
        "asks_token": asks_token,
    }
    filled = body(own, render.data("service", about), _WITHOUT)
    return render.document("Ricercar", _style(), filled), _headers(own)


def docs(schema: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """-> the page at /docs: every route of an OpenAPI schema."""
    parts = {
        "version": html.escape(schema["info"]["version"]),
        "routes": "\n".join(
            _route(method, path, route) for path, every in schema["paths"].items() for method, route in every.items()
        ),
    }
    filled = render.filled(_read("docs.html"), parts)
    return render.document("Ricercar: the service", _style(), filled), _headers([])


def _route(method: str, path: str, route: Mapping[str, Any]) -> str:
    rows = [(f"?{each['name']}=", each.get("description", "")) for each in route.get("parameters", [])]
    if "requestBody" in route:
        rows.append(("body", route["requestBody"]["description"]))
    rows += [(code, _answer(each)) for code, each in route["responses"].items()]
    cells = "".join(f"<dt><code>{html.escape(str(a))}</code></dt><dd>{html.escape(b)}</dd>" for a, b in rows)
    title = f"{method.upper()} {path}"
    about = html.escape(route.get("description", ""))
    return f'<section class="part"><h2>{html.escape(title)}</h2><p>{about}</p><dl class="facts">{cells}</dl></section>'


def _answer(response: Mapping[str, Any]) -> str:
    kinds = ", ".join(response.get("content", {}))
    return f"{response['description']} {kinds}".rstrip()


def _headers(scripts: Sequence[str]) -> dict[str, str]:
    return {"Content-Security-Policy": render.policy(scripts, _KEEPS), "X-Content-Type-Options": "nosniff"}


def _style() -> str:
    return render.read("page.css") + _read("serve.css")


def _read(name: str) -> str:
    return str(_FOLDER.joinpath(name).read_text(encoding="utf-8"))
