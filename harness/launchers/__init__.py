"""Launchers: hydra/launcher=NAME says where the jobs of a sweep run. Here Hydra comes to know of them."""

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.plugins.sweeper import Sweeper

from ricercar.harness.composing import load_job
from ricercar.harness.launchers.before import check_jobs
from ricercar.harness.launchers.joblib import Joblib
from ricercar.harness.launchers.ray import Ray
from ricercar.harness.launchers.slurm import Slurm
from ricercar.harness.plugins import register

register(Joblib, Slurm, Ray)
Sweeper.validate_batch_is_legal = check_jobs  # type: ignore[assignment, method-assign]  # which composes all of them
ConfigLoaderImpl.load_sweep_config = load_job  # type: ignore[method-assign]  # which merges all yamls for each job
