"""The chain of frontend, backbone and heads: what a clip-level output is of."""

import torch

from configs import composed
from ricercar.harness import assemble


def test_an_output_of_a_clip_is_of_its_own_frames_alone() -> None:
    """Whatever clips are beside it in the batch, however long these are, and whatever stands behind its end."""
    net_options = ["task=key", "frontend=mel", "backbone=dense", "backbone.num_params=20000", "backbone.context=0"]
    cfg = composed(*net_options, "backbone.input_norm=none", "augmentation=none", "window_frames=20")
    net = assemble.make_net(cfg, assemble.make_tasks(cfg)).eval()
    generator = torch.Generator().manual_seed(0)
    shape = net.magnitudes(torch.zeros(3, 19 * cfg.hop_length)).shape
    spectrogram = torch.rand(shape, generator=generator)
    lengths = [20, 7, 12]
    valid = torch.arange(20) < torch.tensor(lengths)[:, None]
    [together] = net.body(spectrogram, valid).values()
    for each, own, length in zip(together, spectrogram, lengths, strict=True):
        [alone] = net.body(own[None, ..., :length], None).values()
        torch.testing.assert_close(each, alone[0])
    [all_frames] = net.body(spectrogram, None).values()
    assert not torch.allclose(together[1:], all_frames[1:], atol=1e-4)
