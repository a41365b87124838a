"""Launchers: hydra/launcher=NAME says where the jobs of a sweep run. Here Hydra comes to know of them."""

from hydra.plugins.sweeper import Sweeper

from ricercar.harness import composing
from ricercar.harness.launchers.before import check_jobs
from ricercar.harness.launchers.joblib import Joblib
from ricercar.harness.launchers.ray import Ray
from ricercar.harness.launchers.slurm import Slurm
from ricercar.harness.plugins import register

register(Joblib, Slurm, Ray)
Sweeper.validate_batch_is_legal = check_jobs  # type: ignore[assignment, method-assign]  # which composes all of them
composing.merge_once()  # all yamls are merged for each job otherwise
