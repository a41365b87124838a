"""ricercar bench freeze NAME task=... data=...: writes NAME.json, a benchmark that others can enter."""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ricercar.checks import check_choice, check_whole
from ricercar.comparison.frozen.file import SCHEMA, Frozen, Rules, from_text, frozen_tracks
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.sources.folds import Folds
from ricercar.data.sources.source import ALL, Source
from ricercar.errors import InputError
from ricercar.harness import assemble, identity
from ricercar.harness.baselines import baseline_result
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.command import command, logged
from ricercar.harness.folders import CONF
from ricercar.harness.settled import settled
from ricercar.tasks.protocol import plain
from ricercar.tasks.scoring import Scoring

log = logging.getLogger(__name__)


def freeze(cfg: DictConfig, choices: dict[str, str], folder: Path) -> Frozen:
    """The benchmark that a configuration describes. folder: for the baselines' predictions."""
    check_whole(1, version=cfg.version)
    check_choice(("none", "include"), references=cfg.references)
    for key in ("development", "forbidden"):
        if (given := cfg[key]) is not None and (
            isinstance(given, str) or not all(isinstance(each, str) and each.strip() for each in given)
        ):
            raise InputError(f"{key}={given}: give a list of names, such as {key}=[NAME,NAME].")
    if cfg.fold not in (None, ALL):
        raise InputError(f"fold={cfg.fold}: a benchmark of one fold is none, give fold=all.")
    if cfg.fold is None and cfg.folds is not None:
        raise InputError(f"folds={cfg.folds}: a cross-validation is of all folds, give fold=all, too.")
    if cfg.fold is not None and cfg.split != "test":
        raise InputError(f"split={cfg.split}: a cross-validation scores all tracks, leave split out.")
    split = cfg.split if cfg.fold is None else ALL
    benchmark, source = assemble.make_benchmark(OmegaConf.merge(cfg, {"split": split}), choices)  # type: ignore[arg-type]
    scoring, store = benchmark.scoring, benchmark.store
    splits = _development(source, cfg.development, split)
    every = {track.id: track.fold for track in Folds(source, 0, cfg.folds).fold.every} if cfg.fold else None
    if every is not None:
        benchmark.tracks = [replace(track, fold=every[track.id]) for track in benchmark.tracks]
    store.prepare(benchmark.tracks)
    parts = [benchmark] if every is None else _folds(benchmark, source, cfg.folds)
    baselines = {
        name: [
            track
            for k, part in enumerate(parts)
            for track in baseline_result(name, part, choices["data"], folder / name / str(k)).tracks
        ]
        for name in scoring.baselines
    }
    development = {
        each: frozen_tracks(source.tracks(each), scoring, store, lengths=False)
        for each in source.splits
        if split not in (each, ALL)
    }
    frozen = Frozen(
        schema=SCHEMA,
        name=cfg.name,
        version=cfg.version,
        about=cfg.about,
        task=benchmark.task,
        data=benchmark.data,
        split=split,
        fingerprint=benchmark.fingerprint,
        protocol=plain(scoring.protocol),
        protocol_id=benchmark.protocol_id,
        primary=scoring.primary,
        shown=[name for name in scoring.shown if name != scoring.primary],
        rules=Rules(splits, list(dict.fromkeys([*cfg.forbidden, *scoring.protocol.get("forbidden", [])]))),
        config=_config(cfg),
        tracks=frozen_tracks(benchmark.tracks, scoring, store, lengths=True),
        development=development,
        baselines=baselines,
        references=_references(benchmark, scoring) if cfg.references == "include" else None,
        seal="",
    )
    return replace(frozen, seal=frozen.sealed())


def _development(source: Source, given: Sequence[str] | None, scored: str) -> list[str]:
    """The splits that systems may learn from. InputError where one of them is not there, or is scored."""
    splits = list(given) if given is not None else ["train", "valid"] if scored != ALL else []
    others = [each for each in source.splits if scored not in (each, ALL)]
    for split in splits:
        if split not in others:
            raise InputError(
                f"development has {split!r}: what systems may learn from is another split of the data than {scored!r}; "
                f"there are: {', '.join(others) or 'none'}."
            )
    return splits


def _folds(whole: Benchmark, source: Source, number: int | None) -> list[Benchmark]:
    """Each fold for itself, with the tracks that a training for it learns from."""
    folds = [Folds(source, 0, number)]
    folds += [Folds(source, k, number) for k in range(1, folds[0].fold.number)]
    return [
        Benchmark(
            task=whole.task,
            scoring=whole.scoring,
            data=whole.data,
            split="test",
            tracks=each.tracks("test"),
            training=each.tracks("train"),
            store=whole.store,
            fold=each.fold,
        )
        for each in folds
    ]


def _config(cfg: DictConfig) -> dict[str, object]:
    """What scoring and tracks are made from, without where the data lie here."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    data = OmegaConf.create(plain["data"])
    for place in assemble.places_of(plain["data"]):
        OmegaConf.update(data, place, None)
    return {"task": plain["task"], "data": OmegaConf.to_container(data), "sample_rate": cfg.sample_rate}


def _references(benchmark: Benchmark, scoring: Scoring) -> dict[str, str]:
    """InputError where an annotation cannot be kept as a text."""
    found = {}
    for track in benchmark.tracks:
        reference = scoring.reference(track.annotations)
        assert reference is not None
        found[track.id] = text = reference.text()
        if not _is_kept(scoring, reference, text):
            raise InputError(f"references=include: annotations of {scoring.annotation.name} are no text files.")
    return found


def _is_kept(scoring: Scoring, reference: Annotation, text: str) -> bool:
    try:
        again = scoring.reference({scoring.annotation.name: from_text(type(reference), text)})
    except (InputError, OSError):
        return False
    return again is not None and again.text() == text


def _job(cfg: DictConfig) -> float:
    hydra_cfg = HydraConfig.get()
    if not re.fullmatch(r"\w[\w.-]*", str(cfg.name or "")):
        raise InputError("a name is needed, of letters, digits, - and _: ricercar bench freeze NAME task=... data=...")
    path = Path(cfg.folder).expanduser() / f"{cfg.name}.json"
    if path.exists():
        raise InputError(f"{path} is there already: what is frozen stays as it is. Give another name.")
    cfg = settled(cfg, Path(hydra_cfg.runtime.cwd))
    choices = identity.choices_of(hydra_cfg.runtime.choices)
    frozen = freeze(cfg, choices, Path(cfg.cache_dir).expanduser() / "frozen" / cfg.name)
    frozen.write(path)
    print(f"{path}: {frozen.title}. {len(frozen.tracks)} tracks, {len(frozen.baselines)} baselines.")
    return 0.0


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="freeze")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


def cli() -> None:
    """The command."""
    command(main, "freeze")
