"""hydra/launcher=ray, on a head and two workers of a Ray cluster that are started here: make clusters."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import LIMIT_S, ClusterSweep

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("RICERCAR_CLUSTERS" not in os.environ, reason="make clusters installs Ray, and tests on it"),
]
PORT = 6391


def raylets() -> set[int]:
    """The processes that are a machine of the cluster each."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"raylet/raylet" in path.read_bytes().split(b"\0")[0]:
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def workers() -> Iterator[list[int]]:
    """The processes of two machines with a CPU each, beside a head with none."""

    def ray(*arguments: str) -> None:
        small = ["--object-store-memory=80000000", "--disable-usage-stats"]
        subprocess.run([Path(sys.executable).parent / "ray", "start", *arguments, *small], check=True, timeout=120)

    before = raylets()
    try:
        ray("--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false")
        head = raylets()
        for _ in range(2):
            ray(f"--address=127.0.0.1:{PORT}", "--num-cpus=1")
        yield sorted(raylets() - head)
    finally:
        if not before:
            subprocess.run([Path(sys.executable).parent / "ray", "stop", "--force"], check=False, timeout=60)


def test_a_sweep_survives_a_machine_that_dies(workers: list[int], tmp_path: Path, on_tones: list[str]) -> None:
    """Each machine trains one job until one of them dies; then the other has both."""
    options = ["hydra/launcher=ray", "hydra.launcher.cpus_per_job=1", f"hydra.launcher.address=127.0.0.1:{PORT}"]
    sweep = ClusterSweep(tmp_path, [*on_tones, *options], {})
    with sweep.started() as process:
        sweep.wait_for(sweep.are_training)
        os.kill(workers[0], 9)
        assert process.wait(LIMIT_S) == 0, sweep.out.read_text()
    assert "its process died, it goes on in another one: seed=" in sweep.out.read_text()
    sweep.check()


def test_a_cluster_that_is_not_there(tmp_path: Path, on_tones: list[str]) -> None:
    sweep = ClusterSweep(tmp_path, [*on_tones, "hydra/launcher=ray", "hydra.launcher.address=127.0.0.1:1"], {})
    with sweep.started() as process:
        assert process.wait(LIMIT_S) == 1
    assert "error: hydra.launcher.address=127.0.0.1:1: nothing answers there" in sweep.out.read_text()
    assert "Traceback" not in sweep.out.read_text()
