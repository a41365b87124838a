"""The README.md of a packaged model: a model card as the Hugging Face hub reads it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]

from ricercar.harness.report import about_ranges, cost_in_words, means, range_name
from ricercar.harness.results import Result
from ricercar.harness.text import number
from ricercar.tasks.scoring import Scoring

NO_LICENCE = "unknown"  # the hub's word for it
_HUB_TASKS = {"tag": "audio-classification", "key": "audio-classification"}  # the others have no name there
_SHOWN = 12  # metrics of a task in the header
_USE = """    import ricercar

    model = ricercar.load("FOLDER")  # this folder, or the name of its page on the hub: OWNER/NAME
    found = model("song.mp3")
    {write}

In a shell: `ricercar predict run=FOLDER song.mp3`; as a service: `ricercar serve FOLDER`."""


def card(
    name: str,
    results: Mapping[str, Result],
    scorings: Mapping[str, Scoring],
    licence: str,
    exported: Sequence[str],
) -> str:
    """-> Markdown with a header in YAML: licence, tags, scores (`model-index`).

    results, scorings: {task: its own}. exported: how each graph differs from the network, in words
    """
    header = yaml.safe_dump(_header(name, results, licence), sort_keys=False, allow_unicode=True, width=10_000)
    first = next(iter(results.values()))
    scores = "\n\n".join(_scores(task, result, scorings[task]) for task, result in results.items())
    parts = [
        f"---\n{header}---",
        f"# {name}",
        _about(results, scorings),
        f"## How to use it\n\n{_use(scorings)}",
        f"## What it learnt from\n\n{_training(first)}",
        f"## How good it is\n\n{scores}\n\n{about_ranges(first)}",
        *(["## Exported\n\n" + "\n\n".join(f"```\n{each}\n```" for each in exported)] if exported else []),
        f"## What it costs\n\n{_cost(first)}",
        f"## Licence\n\n{_licence(first, licence)}",
        f"## How it was made\n\n{_made(first)}",
    ]
    return "\n\n".join(parts) + "\n"


def _header(name: str, results: Mapping[str, Result], licence: str) -> dict[str, Any]:
    hub_task = next((_HUB_TASKS[task] for task in results if task in _HUB_TASKS), None)
    return {
        "license": licence,
        "library_name": "ricercar",
        "tags": ["ricercar", "audio", "music", "music-information-retrieval", *results],
        **({"pipeline_tag": hub_task} if hub_task else {}),
        "model-index": [{"name": name, "results": [_indexed(task, each) for task, each in results.items()]}],
    }


def _indexed(task: str, result: Result) -> dict[str, Any]:
    names = list(dict.fromkeys([result.primary, *result.shown]))[:_SHOWN]
    return {
        "task": {"type": _HUB_TASKS.get(task, task), "name": task},
        "dataset": {
            "type": result.dataset.name,
            "name": result.dataset.name,
            "split": result.dataset.split,
            "revision": result.dataset.fingerprint,
            "args": {"protocol_id": result.protocol_id},
        },
        "metrics": [
            {"type": name, "name": name, "value": round(result.metrics[name], 6)}
            for name in names
            if not math.isnan(result.metrics[name])
        ],
    }


def _about(results: Mapping[str, Result], scorings: Mapping[str, Scoring]) -> str:
    first = next(iter(results.values()))
    kinds = listed([scorings[task].annotation.name for task in results])
    built = " and ".join(first.choices[key] for key in ("frontend", "backbone") if key in first.choices)
    return f"From a recording of music to {kinds}. A network of Ricercar: {built}."


def _use(scorings: Mapping[str, Scoring]) -> str:
    suffixes = {task: scoring.annotation.suffixes[0] for task, scoring in scorings.items()}
    if len(suffixes) == 1:
        return _USE.format(write=f'found.write("song{next(iter(suffixes.values()))}")')
    task, suffix = next(iter(suffixes.items()))
    return _USE.format(write=f'found["{task}"].write("song{suffix}")  # there are: {", ".join(suffixes)}')


def _training(result: Result) -> str:
    told = result.training
    if told is None:
        return "Nobody said."
    lines = [f"Data: {', '.join(told.data)}."]
    if told.works == "known":
        shared = f"{len(told.shared)} works of the tested split were in the training data." if told.shared else ""
        lines.append(shared or "No work of the tested split was in the training data.")
    else:
        lines.append("Which works were in it is not known: some of the tested split may be.")
    if encoder := result.encoder:
        trained = f", trained on {', '.join(encoder.trained_on)}" if encoder.trained_on else ""
        lines.append(f"It is built on the pretrained encoder {encoder.name}{trained}.")
    return " ".join(lines)


def _scores(task: str, result: Result, scoring: Scoring) -> str:
    names = [name for name in dict.fromkeys([result.primary, *result.shown]) if name in result.metrics]
    works = len({track.work for track in result.tracks})
    data = result.dataset
    where = f"`{task}` on {data.name}, split {data.split}: {len(result.tracks)} tracks of {works} works."
    looks = f" This split was looked at {result.looks} times." if (result.looks or 1) > 1 else ""
    rows = [[each.metric, number(each.value), each.interval] for each in means(result, names, scoring)]
    convention = ", ".join(f"{key}={value}" for key, value in sorted(result.protocol.items()))
    return (
        f"{where}{looks}\n\n{table(['metric', 'mean', range_name(result)], rows)}\n\n"
        f"Protocol (`{result.protocol_id}`): {convention}. Data fingerprint: `{data.fingerprint}`."
    )


def _cost(result: Result) -> str:
    told = cost_in_words(result.cost)
    return f"{told[0].upper()}{told[1:]}." if told else "Not known."


def _licence(result: Result, licence: str) -> str:
    said = "Nobody said what may be done with it." if licence == NO_LICENCE else f"The weights: {licence}."
    encoder = result.encoder
    if encoder is not None and encoder.licence:
        said += f" The encoder {encoder.name}: {encoder.licence}."
    return f"{said} The data that it learnt from may have conditions of their own."


def _made(result: Result) -> str:
    git = (
        "" if result.git is None else f", commit {result.git.commit[:12]}{' with changes' if result.git.dirty else ''}"
    )
    versions = ", ".join(f"{name} {result.versions[name]}" for name in ("python", "torch") if result.versions.get(name))
    again = {True: "The same command gives the same scores again.", False: "", None: ""}[result.reproducible]
    options = " ".join(result.overrides) or "none"
    return (
        f"Run `{result.run_id}`, Ricercar {result.versions.get('ricercar')}{git}, {versions}. "
        f"Options: `{options}`. {again}".rstrip()
    )


def listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; the columns after the first are numbers."""
    cells = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in cells)
