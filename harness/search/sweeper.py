"""hydra/sweeper=optuna: asks Optuna what to try, has it trained, tells what came of it, and has the best tested."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ricercar.checks import check_choice, check_whole
from ricercar.errors import InputError
from ricercar.harness import assemble, identity
from ricercar.harness.jobs import Begun, JobError
from ricercar.harness.lock import discard
from ricercar.harness.plugins import register
from ricercar.harness.run import FAILED as FAILURE
from ricercar.harness.run import Failure, run_name
from ricercar.harness.search.report import FAILED, Report, format_report, report_file
from ricercar.harness.search.space import Choice, check_options, space_of, value_of
from ricercar.harness.search.study import (
    PRUNERS,
    SAMPLERS,
    Asked,
    Asking,
    Sampling,
    alone,
    check_optuna,
    counted,
    report_of,
    shown,
    tell,
    using,
)
from ricercar.harness.search.trial import CHOSEN, place_of
from ricercar.harness.settled import settled
from ricercar.harness.sweep import job_of

if TYPE_CHECKING:  # an extra
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)
_NUM_TRIALS = 20
_OF_NO_PART = ("optimizer", "schedule", "trainer", "augmentation")  # what neither a frontend nor a backbone depends on


class Optuna(Sweeper):
    """A sweep whose jobs Optuna chooses, by what those before them came to on the validation split.

    The options are those of conf/hydra/sweeper/optuna.yaml.
    """

    def __init__(
        self,
        num_trials: int | None,
        num_parallel: int | None,
        sampler: str,
        num_random: int,
        pruner: str,
        num_unpruned: int,
        seed: int,
        seeds: Sequence[int] | None,
        storage: str | None,
        study_name: str | None,
        job: str | None,
    ) -> None:
        check_choice(SAMPLERS, **{"hydra.sweeper.sampler": sampler})
        check_choice(PRUNERS, **{"hydra.sweeper.pruner": pruner})
        check_choice((None,), **{"hydra.sweeper.job": job})
        for name, number in {"num_trials": num_trials, "num_parallel": num_parallel}.items():
            if number is not None:
                check_whole(**{f"hydra.sweeper.{name}": number})
        check_whole(**{"hydra.sweeper.num_random": num_random, "hydra.sweeper.num_unpruned": num_unpruned})
        check_whole(0, **{"hydra.sweeper.seed": seed})
        if seeds is not None and (isinstance(seeds, int | str) or not seeds):
            raise InputError(f"hydra.sweeper.seeds={seeds}: give a list, such as [0,1,2].")
        for each in seeds or ():
            check_whole(0, **{"hydra.sweeper.seeds": each})
        self.num_trials, self.num_parallel, self.pruner = num_trials, num_parallel, pruner
        self.sampling, self.seeds = Sampling(sampler, num_random, seed), seeds

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config, self.cfg = hydra_context, config, config
        self.loader = hydra_context.config_loader
        self.launch = (
            Plugins.instance()
            .instantiate_launcher(hydra_context=hydra_context, task_function=task_function, config=config)
            .launch
        )

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Goes on with the study, or begins it, until it has its trials; then the best is tested."""
        check_optuna()
        parser = OverridesParser.create(config_loader=self.loader)
        named = OmegaConf.to_container(self.cfg.get("search") or OmegaConf.create())
        assert isinstance(named, dict)
        self.space, self.fixed = space_of(
            {str(key): text for key, text in named.items()}, parser.parse_overrides(arguments)
        )
        self.folder = Path(self.cfg.hydra.sweep.dir)
        self.base, base_hydra = self._composed(self.fixed)
        self.groups = groups = self._groups(base_hydra)
        if groups:
            self.base, base_hydra = self._composed(
                [*self.fixed, *(f"{key}={texts[0]}" for key, texts in groups.items())]
            )
        check_options(self.space, self.base, base_hydra.runtime.choices)
        choices = identity.named(identity.choices_of(base_hydra.runtime.choices), self.base)
        name = base_hydra.sweeper.study_name or run_name(choices, self.base.seed, identity.run_id(self.base))
        self.place = place_of(base_hydra.sweeper, str(self.folder), name, self.base.trainer.num_validations)
        self._check()
        self.total = self._total()
        if not report_file(self.folder, name).exists():
            self._check_ends()
        log.info("study %s in %s: %d trials over", name, shown(self.place.storage), self.total)
        for option, text in self.space.told.items():
            log.info("  %s=%s", option, text)
        if self.cfg.sweep.dry_run:
            return []
        self.folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.cfg, self.folder / "multirun.yaml")
        asking = Asking(self.place, self.sampling, self.space, self.folder)
        asking.begin(identity.essence(identity.determining(self.base)))
        self._report()
        Begun.report = lambda: format_report(report_file(self.folder, name))
        with asking.alive:
            try:
                self._train(asking)
            finally:
                report = self._report()
            tested = self._test(report)
        discard(asking.alive.folder)
        if failed := [trial for trial in report.trials if trial.state == FAILED]:
            raise JobError(f"{len(failed)} trials failed")
        for each in tested:
            if each.status == JobStatus.FAILED:
                raise each._return_value
        return tested

    def _train(self, asking: Asking) -> None:
        """Trials, until there are as many as there are to be, or others have the rest."""
        again, number = self._failed_before(), 0
        most = self.num_parallel or self.cfg.hydra.launcher.get("num_processes") or 1
        while asked := asking.take(most, self.total, again):
            jobs = {each: [*self.fixed, *each.overrides, *self._of_study(str(each.number))] for each in asked}
            assert Begun.sweep is not None
            Begun.sweep.add_jobs(map(job_of, jobs.values()))
            able = [each for each in asked if self._can_be(each, jobs[each])]
            returned = self.launch([jobs[each] for each in able], initial_job_idx=number) if able else []
            number += len(able)
            for each, own in zip(able, returned, strict=True):
                if own.status == JobStatus.FAILED:
                    self._fail(each, own._return_value)
            self._report()

    def _test(self, report: Report) -> Sequence[JobReturn]:
        """The best, once all trials have ended; nothing before."""
        if len(report.done) < self.total:
            log.info("other commands have the rest, the last of which tests the best")
            return []
        if report.best is None:
            place = report_file(self.folder, report.study)
            raise InputError(f"none of {len(report.done)} trials has a score, so that there is no best: see {place}.")
        best = self.space.overrides(self._trials()[report.best].params)
        log.info("chosen on valid: %s", " ".join(best))
        jobs = []
        for seed in self.seeds if self.seeds is not None else [self.base.seed]:
            given = self.fixed if seed == self.base.seed else [*_without_seed(self.fixed), f"seed={seed}"]
            jobs.append([*given, *best, *self._of_study(CHOSEN)])
        Begun.add_jobs(jobs)
        return self.launch(jobs, initial_job_idx=len(report.trials))

    def _check(self) -> None:
        """What a search does not go together with."""
        cfg = self.base
        if cfg.tune.space:
            raise InputError(
                "a search in each trial of a search would try all of its values every time: give tune=none."
            )
        if cfg.seeds_per_job != 1:
            raise InputError(
                f"seeds_per_job={cfg.seeds_per_job}: a trial has one seed. hydra.sweeper.seeds are for the best."
            )
        if cfg.resume is False:
            raise InputError("resume=false: a search goes on with what it began. A new one has another sweep.name.")
        if self.pruner != "none":
            if "trainer.num_validations" in self.space.told:
                raise InputError(
                    "search has trainer.num_validations, and a pruner compares trials at the same validation."
                )
            if cfg.trainer.num_validations == 1:
                raise InputError(
                    f"hydra.sweeper.pruner={self.pruner} judges by what validations report before the end, and "
                    "trainer.num_validations=1 has none."
                )

    def _check_ends(self) -> None:
        """That the ends of each option, and all choices, can be trained, as far as can be told before."""
        for key, text in self.space.ends():
            try:
                if key in self.groups:
                    given = [f"{group}={text if group == key else texts[0]}" for group, texts in self.groups.items()]
                    own, _ = self._composed([*self.fixed, *given])
                else:
                    own = self.base.copy()
                    OmegaConf.update(own, key.lstrip("+"), value_of(text), merge=False, force_add=key.startswith("+"))
                assemble.check(own)
                if key.split(".")[0] not in _OF_NO_PART:
                    assemble.check_parts(own)
            except (ValueError, HydraException, OmegaConfBaseException) as error:  # ValueError: torch's, of its layers
                reason = " ".join(str(error).partition("\nConfig search path")[0].split())
                raise InputError(f"search: {key}={text} cannot be trained: {reason}") from error

    def _total(self) -> int:
        if self.sampling.sampler != "grid":
            if self.sampling.sampler == "cmaes" and self.space.num_numbers < 2:
                raise InputError("hydra.sweeper.sampler=cmaes needs two options at least that are numbers: take tpe.")
            return self.num_trials or _NUM_TRIALS
        points = math.prod(len(values) for values in self.space.grid.values())
        if self.num_trials is not None and self.num_trials > points:
            raise InputError(
                f"hydra.sweeper.num_trials={self.num_trials}: the grid has {points} points, null takes all."
            )
        return self.num_trials or points

    def _groups(self, hydra_cfg: DictConfig) -> dict[str, Sequence[str]]:
        """{group: its choices} of those that are searched."""
        return {
            key: each.texts
            for key, each in self.space.dimensions.items()
            if isinstance(each, Choice) and key in hydra_cfg.runtime.choices
        }

    def _composed(self, overrides: Sequence[str]) -> tuple[DictConfig, DictConfig]:
        """-> the configuration of a training, and Hydra's own."""
        cfg = self.loader.load_sweep_config(self.cfg, list(overrides))
        hydra_cfg = cfg.hydra
        with open_dict(cfg):
            own = cfg.copy()
            del own["hydra"]
        return settled(own, Path.cwd()), hydra_cfg

    def _failed_before(self) -> list[int]:
        """Trials that are to be tried again: on request, or where a full disk was the reason."""
        failed = [each for each in counted(self._trials()) if each.user_attrs.get("ended") == FAILED]
        return [each.number for each in failed if self.cfg.sweep.retry == "failed" or self._passes(each)]

    def _passes(self, trial: "FrozenTrial") -> bool:
        run = trial.user_attrs.get("run")
        failure = None if run is None else Failure.read(self.folder / run)
        return failure is not None and failure.passing

    def _can_be(self, asked: Asked, job: list[str]) -> bool:
        """Whether a job can be composed: where groups are searched, options may be there with some choices only."""
        if not self.groups:
            return True
        try:
            self.loader.load_sweep_config(self.cfg, job)
        except (HydraException, OmegaConfBaseException) as error:
            self._fail(asked, error)
            return False
        return True

    def _fail(self, asked: Asked, error: Exception) -> None:
        """InputError where the whole search cannot go on."""
        with using(self.place.storage):
            if changed := self._trials()[asked.number].user_attrs.get("changed"):
                run = self.folder / self._trials()[asked.number].user_attrs["run"]
                (run / FAILURE).unlink(missing_ok=True)  # it may be trained when that is put right
                discard(run)
                raise InputError(changed)
            reason = str(error).partition("\n")[0]
            log.error("trial %d failed: %s", asked.number, reason)
            tell(self.place.open(), asked.number, "FAIL", ended=FAILED, reason=reason)

    def _trials(self) -> "list[FrozenTrial]":
        return self.place.open().get_trials(deepcopy=False)

    def _report(self) -> Report:
        """As the study is now, which no command replaces by what it was before."""
        with alone(self.folder):
            with using(self.place.storage):
                report = report_of(
                    self.place.open(),
                    self.space,
                    sampler=self.sampling.sampler,
                    pruner=self.pruner,
                    fixed=job_of(self.fixed),
                    num_trials=self.total,
                )
            report.write(self.folder)
        return report

    def _of_study(self, job: str) -> list[str]:
        return [f"hydra.sweeper.job={job}", f"hydra.sweeper.study_name={self.place.name}"]


def _without_seed(overrides: Sequence[str]) -> list[str]:
    return [each for each in overrides if not each.startswith("seed=")]


register(Optuna)
