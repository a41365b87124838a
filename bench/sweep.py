"""Sweeps of small networks, with and without what their jobs can share.

    python bench/sweep.py [--quick]

With: spectrogram=cached, and the trivial baselines' scores of an earlier job. Without: spectrogram=fresh, and baselines
scored anew. Both find the audio decoded, and start with no spectrograms kept. Each sweep runs in a process of its own,
as one command would; each job trains, validates, tests and writes its result.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from hydra import compose, initialize_config_dir
from rows import Row, Spread, text

from ricercar.harness import assemble
from ricercar.harness.run import Run
from ricercar.train import train

CONF = Path(__file__).parents[1] / "conf"
FIVE = (["cqt"], ["dense", "cnn", "lstm", "transformer", "mlp_mixer"])
TWELVE = (["mel", "cqt", "vqt"], ["dense", "lstm", "transformer", "mlp_mixer"])
SMALL = ["backbone.num_params=200000", "augmentation=none", "normalisation=whitening", "tracker=none", "hardware=cpu"]
DATA = ["data.num_train=24", "data.num_valid=6", "data.num_test=8"]


def measure(quick: bool) -> list[Row]:
    steps = 10 if quick else 60
    sweeps = {"5 jobs, one frontend": FIVE} if quick else {"5 jobs, one frontend": FIVE, "12 jobs, 3 frontends": TWELVE}
    rows = []
    with TemporaryDirectory() as folder:
        for name, (frontends, backbones) in sweeps.items():
            taken: dict[str, list[float]] = {"ricercar": [], "without caches": []}
            for _ in range(2 if len(frontends) == 1 and not quick else 1):
                for who, spectrograms in (("ricercar", "cached"), ("without caches", "fresh")):
                    arguments = [spectrograms, ",".join(frontends), ",".join(backbones), str(steps), folder]
                    done = subprocess.run(
                        [sys.executable, __file__, "--job", *arguments], check=True, capture_output=True, text=True
                    )
                    taken[who].append(float(done.stdout.split()[-1]))
            figures = {who: Spread.of(times) for who, times in taken.items()}
            targets = {"without caches": 1.5} if len(frontends) == 1 else {}
            rows.append(Row("sweep", f"{name}, {steps} steps each", "s", figures, targets))
    return rows


def sweep(spectrograms: str, frontends: list[str], backbones: list[str], steps: int, folder: Path) -> float:
    """-> seconds. The audio is rendered before the clock starts."""
    cache = folder / "cache"
    shared = [*SMALL, *DATA, f"cache_dir={cache}", f"spectrogram={spectrograms}", f"trainer.budget={steps}steps"]
    seconds = 0.0
    for part in ("spectrograms", "baselines"):
        shutil.rmtree(cache / part, ignore_errors=True)
    for frontend in frontends:
        for backbone in backbones:
            with initialize_config_dir(str(CONF), version_base="1.3"):
                cfg = compose("config", overrides=[f"frontend={frontend}", f"backbone={backbone}", *shared])
            source, store = assemble.make(cfg.data), assemble.make_store(cfg)
            store.prepare([track for split in source.splits for track in source.tracks(split)])
            if spectrograms == "fresh":
                shutil.rmtree(cache / "baselines", ignore_errors=True)
            run = folder / "runs" / f"{frontend}-{backbone}"
            shutil.rmtree(run, ignore_errors=True)
            run.mkdir(parents=True)
            choices = {"task": "notes", "data": "synth", "frontend": frontend, "backbone": backbone}
            start = time.monotonic()
            train(Run(cfg, run, choices, []))
            seconds += time.monotonic() - start
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--job", nargs=5, metavar="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        spectrograms, frontends, backbones, steps, folder = args.job
        print(sweep(spectrograms, frontends.split(","), backbones.split(","), int(steps), Path(folder)))
    else:
        print(text(measure(args.quick)))


if __name__ == "__main__":
    main()
