"""What a run costs: numbers worked out by hand, and those of one job, not of the process's life."""

import re
from pathlib import Path

import pytest
import torch

from configs import composed
from ricercar.harness import assemble, cost
from ricercar.harness.cost import PeakMemory, cost_of
from trainings import SMALL, trained

T, BINS, WIDTH, PITCHES = 40, 229, 16, 88
HOP, SAMPLE_RATE = 320, 16000

DENSE = ["backbone=dense", f"backbone.width={WIDTH}", "backbone.context=1", "backbone.num_layers=2"]
TRANSFORMER = ["backbone=transformer", f"backbone.width={WIDTH}", "backbone.depth=2", "backbone.num_heads=2"]
TRANSFORMER += ["backbone.mlp_ratio=3"]
LSTM = ["backbone=lstm", f"backbone.width={WIDTH}", "backbone.num_layers=1"]

OF_DENSE = T * BINS * 3 * WIDTH + T * WIDTH**2
# Projection; in each block queries, keys, values, output and two layers of three times the width, and attention.
OF_TRANSFORMER = T * BINS * WIDTH + 2 * T * ((3 + 1 + 2 * 3) * WIDTH**2 + 2 * T * WIDTH)

# Projection; in both directions four gates of half the width, from the frame and the state before.
OF_LSTM = T * BINS * WIDTH + T * 2 * 4 * (WIDTH // 2) * (WIDTH + WIDTH // 2)


@pytest.mark.parametrize(
    ("options", "task", "macs"),
    [
        (DENSE, "task=multipitch", OF_DENSE + T * WIDTH * PITCHES),
        (DENSE, "task=key", OF_DENSE + WIDTH * 24),  # once per clip
        (TRANSFORMER, "task=key", OF_TRANSFORMER + WIDTH * 24),
        (LSTM, "task=key", OF_LSTM + WIDTH * 24),
    ],
    ids=["dense", "dense, clip-level", "transformer", "lstm"],
)
def test_multiplications_by_hand(options: list[str], task: str, macs: int) -> None:
    """With heads, and with attention."""
    cfg = composed("frontend=mel", f"frontend.num_bins={BINS}", f"window_frames={T}", task, *options)
    net = assemble.make_net(cfg, assemble.make_tasks(cfg))
    samples = (T - 1) * HOP
    assert cost_of(net, samples, T, SAMPLE_RATE).macs == pytest.approx(macs * SAMPLE_RATE / samples, rel=1e-9)


needs_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system keeps no such peak")


def peak_of_life() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


@needs_linux
def test_peak_memory_is_that_of_the_job(on_tones: list[str], tmp_path: Path) -> None:
    """Not of what the process did before, such as an earlier job of a sweep."""
    torch.ones(2**28)  # 1 GiB
    before = peak_of_life()
    peak = trained(tmp_path / "run", *SMALL, *on_tones)[0].cost.peak_memory_bytes
    assert peak is not None
    assert 0 < peak < before - 2**29


@needs_linux
def test_peak_memory_counts_what_is_gone() -> None:
    memory = PeakMemory(torch.device("cpu"))
    start = memory.in_bytes()
    torch.ones(2**26)  # 256 MiB
    end = memory.in_bytes()
    assert start is not None
    assert end is not None
    assert end - start > 2**27


def test_peak_memory_that_cannot_be_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cost, "_PROCESS", tmp_path / "no_proc")
    assert PeakMemory(torch.device("cpu")).in_bytes() is None


@pytest.mark.parametrize("num_threads", ["1", "null"])
def test_threads_of_a_job_do_not_stick(on_tones: list[str], tmp_path: Path, num_threads: str) -> None:
    chosen = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        trained(tmp_path / "run", *SMALL, *on_tones, f"num_threads={num_threads}")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(chosen)
