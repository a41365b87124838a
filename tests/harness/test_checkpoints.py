"""Checkpoints are whole, belong to one configuration, and never run code."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ricercar.errors import InputError
from ricercar.harness.checkpoints import Checkpoints


def test_round_trip(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    assert checkpoints.load("last") is None
    checkpoints.save("last", {"net": {"w": torch.arange(3)}})
    state = checkpoints.load("last")
    assert state is not None
    assert torch.equal(state["net"]["w"], torch.arange(3))


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "a").save("last", {})
    with pytest.raises(InputError, match="another configuration"):
        Checkpoints(tmp_path, "b").load("last")


class _Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch owned",)


def test_malicious_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    torch.save({"format": 1, "run_id": "a", "net": _Malicious()}, tmp_path / "checkpoints" / "last.pt")
    with pytest.raises(InputError, match=r"not a checkpoint .* it holds \w+\.system") as error:
        Checkpoints(tmp_path, "a").load("last")
    assert "weights_only" not in str(error.value)  # torch says how to run it all the same
    (tmp_path / "checkpoints" / "last.pt").write_bytes(pickle.dumps(_Malicious()))
    with pytest.raises(InputError, match="not a checkpoint"):
        Checkpoints(tmp_path, "a").load("last")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 truncated"])
def test_broken_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"last\.pt"):
        Checkpoints(tmp_path, "a").load("last")


def test_full_disk_keeps_the_previous_checkpoint(tmp_path: Path) -> None:
    """A process that may write no file beyond 64 kB stands for a disk that fills up in the middle of a checkpoint."""
    code = f"""
import resource, signal, torch
from pathlib import Path
from ricercar.harness.checkpoints import Checkpoints
from ricercar.errors import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
checkpoints = Checkpoints(Path({str(tmp_path)!r}), "a")
checkpoints.save("last", {{"step": 1, "w": torch.zeros(10)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    checkpoints.save("last", {{"step": 2, "w": torch.zeros(100_000)}})
except InputError as error:
    print("told:", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "told: cannot write the checkpoint" in done.stdout
    assert "last.pt: File too large. The previous checkpoint is kept." in done.stdout
    state = Checkpoints(tmp_path, "a").load("last")
    assert state is not None
    assert state["step"] == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.pt"]
