"""The LSTM with recurrent dropout, against torch.nn.LSTM and against a plain transcription of the equations."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from ricercar.models.backbones.cqt_lstm import RecurrentDropoutLSTM

BATCH, FRAMES, INPUTS, UNITS = 3, 50, 7, 5


def layer(input_rate: float, state_rate: float) -> RecurrentDropoutLSTM:
    torch.manual_seed(0)
    return RecurrentDropoutLSTM(INPUTS, UNITS, input_rate, state_rate)


def inputs() -> Tensor:
    return torch.randn(BATCH, FRAMES, INPUTS, generator=torch.Generator().manual_seed(1))


def test_without_dropout_it_is_torchs_lstm() -> None:
    ours = layer(0.0, 0.0).train()
    reference = nn.LSTM(INPUTS, UNITS, batch_first=True)
    reference.load_state_dict(ours.lstm.state_dict())
    states, expected = ours(inputs()), reference(inputs())[0]
    torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-6)
    states.square().sum().backward()
    expected.square().sum().backward()
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
        gradient, truth = getattr(ours.lstm, name).grad, getattr(reference, name).grad
        torch.testing.assert_close(gradient, truth, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_evaluation_drops_nothing() -> None:
    assert torch.equal(layer(0.5, 0.5).eval()(inputs()), layer(0.0, 0.0).eval()(inputs()))


@pytest.mark.parametrize(("input_rate", "state_rate"), [(0.4, 0.0), (0.0, 0.4), (0.3, 0.6)])
@torch.no_grad()
def test_masks_hold_for_a_sequence_and_differ_between_gates(input_rate: float, state_rate: float) -> None:
    ours = layer(input_rate, state_rate).train()
    torch.manual_seed(2)
    states = ours(inputs())
    torch.manual_seed(2)
    input_masks = dropout(torch.ones(4, BATCH, 1, INPUTS), input_rate)[:, :, 0]
    state_masks = dropout(torch.ones(4, BATCH, UNITS), state_rate)
    torch.testing.assert_close(states, _keras(ours.lstm, inputs(), input_masks, state_masks), rtol=1e-5, atol=1e-6)
    assert not torch.equal(states, ours.eval()(inputs()))


def _keras(lstm: nn.LSTM, x: Tensor, input_masks: Tensor, state_masks: Tensor) -> Tensor:
    """Gate by gate and frame by frame, as Keras's LSTMCell does it with implementation=1."""
    weights = lstm.all_weights[0]
    w_i, w_f, w_c, w_o = weights[0].T.chunk(4, dim=1)
    u_i, u_f, u_c, u_o = weights[1].T.chunk(4, dim=1)
    b_i, b_f, b_c, b_o = (weights[2] + weights[3]).chunk(4)
    h = c = torch.zeros(BATCH, UNITS)
    states = []
    for t in range(FRAMES):
        i = torch.sigmoid(x[:, t] * input_masks[0] @ w_i + b_i + h * state_masks[0] @ u_i)
        f = torch.sigmoid(x[:, t] * input_masks[1] @ w_f + b_f + h * state_masks[1] @ u_f)
        g = torch.tanh(x[:, t] * input_masks[2] @ w_c + b_c + h * state_masks[2] @ u_c)
        o = torch.sigmoid(x[:, t] * input_masks[3] @ w_o + b_o + h * state_masks[3] @ u_o)
        c = f * c + i * g
        h = o * torch.tanh(c)
        states.append(h)
    return torch.stack(states, dim=1)


def test_the_forget_gate_starts_open_and_one_bias_is_trained() -> None:
    _, _, bias, second_bias = layer(0.0, 0.0).lstm.all_weights[0]
    assert bias.view(4, UNITS).mean(1).tolist() == [0, 1, 0, 0]
    assert second_bias.abs().sum() == 0
    assert not second_bias.requires_grad
