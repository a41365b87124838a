"""Reads a whole data set, and says what is in it, what is odd and what is wrong.

    ricercar check data=folder data.root=PATH

Exit code 1 if anything cannot be read, if audio is not as long as its header says, or if a group, a recording or a
performance is in several splits or folds.
"""

import sys

import hydra
from omegaconf import DictConfig

from ricercar.checks import check_whole
from ricercar.data.checking.report import report
from ricercar.data.checking.survey import survey
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.command import command, logged
from ricercar.harness.folders import CONF


def _job(cfg: DictConfig) -> float:
    if "data" not in cfg:
        raise InputError("data= is needed: say which data set is to be checked, as in data=folder data.root=PATH")
    assemble.check_data(cfg)
    if cfg.lines is not None:
        check_whole(0, lines=cfg.lines)
    found = survey(assemble.make(cfg.data), assemble.make_store(cfg))
    print(report(found, cfg.lines), end="")
    if found.problems:
        sys.exit(1)
    return 0.0


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="check")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


def cli() -> None:
    """The command."""
    command(main, "check")


if __name__ == "__main__":
    cli()
