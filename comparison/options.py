"""A configuration as dotted names and texts, and texts that are safe to show."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

_WIDTH = 80


def options(config: Mapping[str, Any]) -> dict[str, str]:
    """{"optimizer.lr": "0.003"}: every value at the end of a nested configuration, as the command line has it."""
    return dict(_leaves(config, ""))


def as_text(value: Any) -> str:
    """0.003, 1 (of 1.0 too), true, null, [0.9,0.99]; text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.15g}"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def short_names(names: Iterable[str], among: Iterable[str]) -> dict[str, str]:
    """{dotted name: its shortest end that no other name of `among` has}"""
    among = set(among)
    return {name: next(end for end in _ends(name) if sum(_has_end(other, end) for other in among) <= 1 or end == name)
            for name in names}  # fmt: skip


def clean(text: str, width: int = _WIDTH) -> str:
    """One line of printable characters, shortened in the middle: what others wrote may hold anything."""
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if len(text) > width:
        text = f"{text[: width - width // 2 - 3]}...{text[len(text) - width // 2 :]}"
    return text or "(no name)"


def listed(names: Iterable[str], most: int = 5) -> str:
    """a, b and 3 more; "mel cnn, lr 0.1; mel cnn, lr 0.3" where one of them has a comma"""
    names = [clean(name) for name in names]
    rest = len(names) - most
    shown = ("; " if any("," in name for name in names) else ", ").join(names[:most])
    return shown if rest <= 0 else f"{shown} and {rest} more"


def split(text: str, known: Collection[str]) -> list[str]:
    """ "a,b" -> ["a", "b"]; what is in `known` stays whole, though it has commas, and the longest that is."""
    pieces, found = text.split(","), []
    while pieces:
        ends = range(len(pieces), 0, -1)
        joined = {end: ",".join(pieces[:end]).strip() for end in ends}
        end = next((end for end in ends if joined[end] in known), 1)
        found.append(joined[end])
        pieces = pieces[end:]
    return [name for name in found if name]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and (value or not path):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, as_text(value)


def _ends(name: str) -> Iterator[str]:
    parts = name.split(".")
    for i in reversed(range(len(parts))):
        yield ".".join(parts[i:])


def _has_end(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")
