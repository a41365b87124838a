"""The outputs of a network whose features are kept apart by pitch."""

import pytest
import torch

from ricercar.models.head import Head, Output

LOWEST, PITCHES, DIM = 23, 84, 5  # seven whole octaves


def head(output: Output) -> Head:
    torch.manual_seed(0)
    return Head(output, PITCHES, DIM, LOWEST)


@pytest.mark.parametrize("leading", [(3,), (2, 4)], ids=["clips", "frames"])
@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_pitch_classes_rotate_with_the_music(leading: tuple[int, ...], semitones: int) -> None:
    """All octaves alike, so that nothing leaves at the top: a transposition rotates each dozen of the outputs."""
    octave = torch.randn(*leading, 12, DIM)
    bass = (torch.arange(LOWEST, LOWEST + PITCHES) < 52)[:, None]  # the bass is not told apart by register alone
    features = octave.repeat(*(1 for _ in leading), PITCHES // 12, 1)
    moved = octave.roll(semitones, -2).repeat(*(1 for _ in leading), PITCHES // 12, 1)
    assert bass.any()
    made = head(Output(size=24, pitch_classes=True))
    scores, transposed = made(features), made(moved)
    assert scores.shape == (*leading, 24)
    expected = scores.unflatten(-1, (2, 12)).roll(semitones, -1).flatten(-2)
    torch.testing.assert_close(transposed, expected)
    assert (scores - transposed).abs().max() > 0.01


def test_pitch_class_0_is_c() -> None:
    """A map that sees its own pitch class alone."""
    made = head(Output(size=12, pitch_classes=True))
    with torch.no_grad():
        made.rotated.weight.zero_()
        made.rotated.bias.zero_()  # type: ignore[union-attr]
        made.rotated.weight[:, 0, 0] = 1.0
    features = torch.zeros(1, PITCHES, DIM)
    features[:, 60 - LOWEST, 0] = 1.0  # middle C
    assert made(features).argmax() == 0
    assert int((made(features) > 0).sum()) == 1
