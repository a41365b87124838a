"""One LSTM layer with recurrent dropout, and one dense layer."""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from ricercar.checks import check_between, check_whole
from ricercar.models.backbones.backbone import Backbone, InputNorm
from ricercar.models.spectrogram import Spectrogram


class RecurrentDropoutLSTM(nn.Module):
    """(B, T, input_size) -> (B, T, hidden_size), from a zero state.

    dropout             share of the inputs that a sequence loses, in [0, 1)
    recurrent_dropout   share of the recurrent state that a sequence loses on its way to the gates, in [0, 1)

    The masks are drawn once per sequence and gate and hold for all of its frames (Gal & Ghahramani 2016, as in
    Keras's implementation 1); the rest is scaled up to the same mean. The initial weights are Keras's too:
    Glorot-uniform, orthogonal, forget gate open. Evaluation, and the names of the weights, are torch.nn.LSTM's.
    """

    def __init__(self, input_size: int, hidden_size: int, dropout: float, recurrent_dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        input_weights, state_weights, bias, second_bias = self.lstm.all_weights[0]
        nn.init.xavier_uniform_(input_weights)
        nn.init.orthogonal_(state_weights)
        nn.init.zeros_(bias)
        nn.init.ones_(bias[hidden_size : 2 * hidden_size])
        # torch adds two biases where one would do.
        nn.init.zeros_(second_bias).requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        # At the weights' precision: the recurrence would add up 16-bit errors over the frames.
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.to(self.lstm.all_weights[0][0].dtype)
            if self.training:
                return self._with_dropout(inputs)
            states: Tensor = self.lstm(inputs)[0]
            return states

    def _with_dropout(self, inputs: Tensor) -> Tensor:
        """Gates lead, in torch's order: input, forget, cell, output."""
        batch, num_frames, _ = inputs.shape
        size = self.lstm.hidden_size
        input_mask = dropout(inputs.new_ones(4, batch, 1, inputs.shape[2]), self.dropout)
        state_mask = dropout(inputs.new_ones(4, batch, size), self.recurrent_dropout)
        weights = self.lstm.all_weights[0]
        input_weights, state_weights = (weight.view(4, size, -1).mT for weight in weights[:2])
        bias = (weights[2] + weights[3]).view(4, 1, size)

        from_inputs = torch.baddbmm(bias, (inputs * input_mask).flatten(1, 2), input_weights)
        state = cell = inputs.new_zeros(batch, size)
        states = []
        for frame in from_inputs.view(4, batch, num_frames, size).unbind(2):
            gates = torch.baddbmm(frame, state * state_mask, state_weights)
            admit, keep, _, show = gates.sigmoid().unbind(0)
            cell = keep * cell + admit * gates[2].tanh()
            state = show * cell.tanh()
            states.append(state)
        return torch.stack(states, dim=1)


class CQTLSTM(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): the network of a published piano transcriber, less its output layer.

    D = dense_units. The LSTM runs forward in time and starts from zero in every window.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        lstm_units: int,
        dense_units: int,
        dropout: float,
        recurrent_dropout: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(lstm_units=lstm_units, dense_units=dense_units)
        check_between(0, 1, dropout=dropout, recurrent_dropout=recurrent_dropout)
        self.dim = dense_units
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.lstm = RecurrentDropoutLSTM(
            spectrogram.num_channels * spectrogram.num_bins, lstm_units, dropout, recurrent_dropout
        )
        self.dense = nn.Sequential(nn.Linear(lstm_units, dense_units), nn.ReLU(inplace=True))

    def forward(self, spectrogram: Tensor) -> Tensor:
        frames = self.input_norm(spectrogram).flatten(1, 2).transpose(1, 2)
        features: Tensor = self.dense(self.lstm(frames))
        return features.unsqueeze(2)
