"""Scores a finished run again, or the predictions of any system; `python eval.py --help` lists the choices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.command import command, logged
from ricercar.harness.evaluate import score_folder
from ricercar.harness.report import report
from ricercar.harness.results import Cost, Result, make_result, stable_hash
from ricercar.harness.trackers.none import NoTracker


def evaluate(cfg: DictConfig, folder: Path, choice: Mapping[str, str]) -> Result:
    """Writes result.json, and predictions where there were none, into `folder`."""
    if (cfg.run is None) == (cfg.predictions is None):
        raise InputError(
            "give either run=FOLDER (a finished run, to predict and score again) or predictions=FOLDER "
            "(one file for each track, to score) with task= and data=."
        )
    assemble.check_data(cfg)
    before = None
    given = Path(cfg.run or cfg.predictions).expanduser()
    if cfg.run is not None:
        before = Result.read(given / "result.json")
        cfg = assemble.trained_config(given, cfg)
    task = assemble.make_task(cfg)
    tracks = assemble.tracks_of(assemble.make(cfg.data), task, cfg.split)
    store = assemble.make_store(cfg)
    store.prepare(tracks)

    if before is not None:
        torch.set_num_threads(cfg.num_threads or torch.get_num_threads())
        device = assemble.make(cfg.hardware).device
        net = assemble.make_net(cfg, task).to(device)
        assemble.use_best(net, task, Checkpoints(given, before.run_id))
        predictions = folder / "predictions"
        scores, _ = assemble.make_evaluation(cfg, task, store, device).test(net, tracks, predictions)
        origin: dict[str, Any] = {
            "run_id": before.run_id,
            "choices": before.choices,
            "seed": before.seed,
            "cost": before.cost,
        }
        origin |= {"overrides": before.overrides, "source": before.dataset.name}
    else:
        predictions = given
        scores = score_folder(task, tracks, predictions, {track.id: store.duration_s(track) for track in tracks})
        name = cfg.name or predictions.resolve().name
        choices = {"task": choice["task"], "data": choice["data"], "system": name}
        origin = {"run_id": stable_hash(choices), "choices": choices, "seed": None, "cost": Cost()}
        origin |= {"overrides": [], "source": assemble.dataset_name(cfg, choice["data"])}
    result = make_result(**origin, task=task, split=cfg.split, tracks=tracks, store=store, scores=scores)
    result.write(folder / "result.json")
    report(
        result,
        tracks=tracks,
        task=task,
        store=store,
        predictions=predictions,
        folder=folder,
        tracker=NoTracker(),
    )
    return result


def _job(cfg: DictConfig) -> float:
    hydra_cfg = HydraConfig.get()
    result = evaluate(cfg, Path(hydra_cfg.runtime.output_dir), hydra_cfg.runtime.choices)
    return result.metrics[result.primary]


@hydra.main(version_base="1.3", config_path="conf", config_name="eval")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


if __name__ == "__main__":
    command(main, "eval")
