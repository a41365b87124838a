"""Notes of piano music, by the transformer whose weights are in the wheel of transkun."""

import sys
from importlib.resources import files
from types import ModuleType

import moduleconf
import soundfile
import soxr
import torch


def load(task):
    """-> transcribe(audio file, MIDI file to write)."""
    sys.modules["torchaudio"] = ModuleType("torchaudio")  # of which one function is used
    sys.modules["torchaudio"].functional = ModuleType("torchaudio.functional")
    sys.modules["torchaudio"].functional.melscale_fbanks = melscale_fbanks
    pretrained = files("transkun") / "pretrained"
    conf = moduleconf.parseFromFile(str(pretrained / "2.0.conf"))
    model = conf["Model"].module.TransKun(conf=conf["Model"].config)
    checkpoint = torch.load(str(pretrained / "2.0.pt"), map_location="cpu", weights_only=False)
    model.load_state_dict(checkpoint.get("best_state_dict", checkpoint.get("state_dict")), strict=False)
    model.eval()
    torch.set_grad_enabled(False)

    from transkun.Data import writeMidi

    def transcribe(audio, output):
        samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
        if rate != model.fs:
            samples = soxr.resample(samples, rate, model.fs)
        writeMidi(model.transcribe(torch.from_numpy(samples))).write(output)

    return transcribe


def melscale_fbanks(n_freqs, f_min, f_max, n_mels, sample_rate):
    """(n_freqs, n_mels) triangles on the HTK scale without a norm, as torchaudio's function of that name makes them."""
    ends = 2595.0 * torch.log10(1.0 + torch.tensor([f_min, f_max]) / 700.0)
    centres = 700.0 * (10.0 ** (torch.linspace(*ends.tolist(), n_mels + 2) / 2595.0) - 1.0)
    slopes = centres[None] - torch.linspace(0, sample_rate // 2, n_freqs)[:, None]
    widths = centres.diff()
    return torch.clamp(torch.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]), min=0.0)
