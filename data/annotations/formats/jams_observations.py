"""The annotations in a JAMS file (Humphrey et al. 2014), as columns. Needs nothing but json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.formats.rows import RowError, read_text, require
from ricercar.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Observations:
    """One annotation of a JAMS file, in the order of time.

    where                how a message names it
    annotator            who made it, as in its metadata; data_source: of which part it is, such as a string
    time_s, duration_s   (n,) float64
    value, confidence    n values as the namespace has them
    number               (n,) the place of each in the file, from 1
    """

    namespace: str
    where: str
    time_s: Floats
    duration_s: Floats
    value: list[Any]
    confidence: list[Any]
    number: list[int]
    annotator: Any = None
    data_source: str = ""

    def __len__(self) -> int:
        return len(self.value)

    @property
    def end_s(self) -> Floats:
        ends: Floats = self.time_s + self.duration_s
        return ends

    def numbers(self, key: str | None = None, missing: float | None = None) -> Floats:
        """(n,) the values, or what they have at `key`; `missing` stands for null."""
        return _numbers(self._values(key), key or "value", missing)

    def confidences(self, missing: float | None = None) -> Floats:
        """(n,) from 0 to 1; `missing` stands for null and NaN."""
        given = [None if isinstance(each, float) and np.isnan(each) else each for each in self.confidence]
        confidence = _numbers(given, "confidence", missing)
        require(
            (confidence >= 0) & (confidence <= 1),
            lambda row: f"confidence {confidence[row]:g} is not a number from 0 to 1.",
        )
        return confidence

    def texts(self, key: str | None = None) -> tuple[str, ...]:
        """The values, or what they have at `key`."""
        values = self._values(key)
        for row, value in enumerate(values):
            if not isinstance(value, str):
                raise RowError(row, f"{key or 'value'} {value!r} is not a text.")
        return tuple(values)

    def taken(self, rows: NDArray[np.bool_], key: str) -> "Observations":
        """Some of the observations, with what their values have at `key`."""
        kept = np.flatnonzero(rows).tolist()
        values = self._values(key)
        return Observations(
            namespace=self.namespace,
            where=self.where,
            time_s=self.time_s[kept],
            duration_s=self.duration_s[kept],
            value=[values[row] for row in kept],
            confidence=[self.confidence[row] for row in kept],
            number=[self.number[row] for row in kept],
        )

    def _values(self, key: str | None) -> list[Any]:
        if key is None:
            return self.value
        for row, value in enumerate(self.value):
            if not isinstance(value, dict) or key not in value:
                raise RowError(row, f"value {value!r} has no {key!r}.")
        return [value[key] for value in self.value]

    @contextmanager
    def located(self) -> Iterator[None]:
        """Names file, annotation and observation in an error raised inside."""
        try:
            yield
        except RowError as error:
            raise InputError(f"{self.where}, observation {self.number[error.row]}: {error.problem}") from error
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error


def found(path: Path, namespaces: Sequence[str]) -> list[Observations]:
    """All annotations of a file that have the first of the namespaces (patterns with *) that it has, in its order.

    InputError where it has none of them, naming those that it has.
    """
    content = _parsed(path)
    names = [str(each.get("namespace")) if isinstance(each, dict) else str(each)[:100] for each in content]
    for pattern in namespaces:
        numbers = [number for number, name in enumerate(names) if fnmatch(name, pattern)]
        if numbers:
            return [
                _described(content[number], names[number], f"{path}, annotation {number + 1}") for number in numbers
            ]
    there = ", ".join(dict.fromkeys(names)) or "no annotations"
    raise InputError(f"{path}: no annotation with the namespace {' or '.join(namespaces)}; the file has: {there}.")


def _parsed(path: Path) -> list[Any]:
    text = read_text(path)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON, or cut short ({error.msg}).") from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: not JSON that can be read ({error}).") from error
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"{path}: not a JAMS file: it has no list of annotations.")
    return annotations


def _described(annotation: Mapping[str, Any], namespace: str, where: str) -> Observations:
    """With the annotator, {} where none is named, and the data source."""
    found = _observations(annotation.get("data"), namespace, where)
    metadata = annotation.get("annotation_metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    annotator = metadata.get("annotator")
    named = {key: value for key, value in annotator.items() if value} if isinstance(annotator, dict) else annotator
    return replace(found, annotator=named or {}, data_source=str(metadata.get("data_source") or ""))


def _observations(data: Any, namespace: str, where: str) -> Observations:
    """data: a list of observations, or (dense namespaces) an object of four lists."""
    where = f"{where} ({namespace})"
    if isinstance(data, dict) and data and all(isinstance(column, list) for column in data.values()):
        lengths = {len(column) for column in data.values()}
        if len(lengths) > 1:
            raise InputError(f"{where}: its columns {', '.join(data)} have different lengths.")
        data = [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]
    if not isinstance(data, list):
        raise InputError(f"{where}: it has no list of observations (`data`).")
    for number, each in enumerate(data, start=1):
        if not isinstance(each, dict) or "time" not in each or "value" not in each:
            raise InputError(f"{where}, observation {number}: {str(each)[:100]} has no time or no value.")
    try:
        time_s = _numbers([each["time"] for each in data], "time")
        duration_s = _numbers([each.get("duration") for each in data], "duration", missing=0.0)
    except RowError as error:
        raise InputError(f"{where}, observation {error.row + 1}: {error.problem}") from error
    order = np.argsort(time_s, kind="stable").tolist()
    return Observations(
        namespace=namespace,
        where=where,
        time_s=time_s[order],
        duration_s=duration_s[order],
        value=[data[row]["value"] for row in order],
        confidence=[data[row].get("confidence") for row in order],
        number=[row + 1 for row in order],
    )


def _numbers(values: Sequence[Any], name: str, missing: float | None = None) -> Floats:
    """RowError for what is not a number; `missing`, unless it is None, stands for null."""
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        if value is None and missing is not None:
            value = missing
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RowError(row, f"{name} {value!r} is not a number.")
        try:
            numbers[row] = float(value)
        except OverflowError:
            raise RowError(row, f"{name} {str(value)[:20]}... is too large a number.") from None
    return numbers
