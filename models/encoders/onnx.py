"""Networks in files of ONNX, run by onnxruntime: they are as they are, and do not learn."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ricercar.checks import check_between, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.encoders.encoder import OWN_CODE, Encoder, content_hash


class ONNX(Encoder):
    """(B, N) audio -> (B, L, D, T): named outputs of a network, all of the same number of features D.

    model_rate     Hz, of the audio that it takes
    input_axes     of its only input: B, N, and 1 for an axis of length 1
    outputs        names
    output_axes    of each output: B, T, D, and 1
    stride, offset   samples between its frames; sample that the first is centred on
    window_s       where the file fixes N, that counts, and shorter audio is followed by silence
    """

    sources = (OWN_CODE, "models/encoders/onnx.py")

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        model: str,
        model_rate: int,
        input_axes: list[Any],
        outputs: list[str],
        output_axes: list[Any],
        stride: float,
        offset: float,
        window_s: float,
        overlap_s: float,
        about: dict[str, Any],
    ) -> None:
        check_whole(model_rate=model_rate)
        check_positive(stride=stride, window_s=window_s)
        check_between(0, float("inf"), offset=offset)
        self._file = Path(model).expanduser()
        if not self._file.is_file():
            raise InputError(f"model={model}: there is no such file: give one of ONNX.")
        for name, axes, needed in (("input", input_axes, "BN"), ("output", output_axes, "BTD")):
            if sorted(map(str, axes)) != sorted([*needed, *(str(each) for each in axes if each == 1)]):
                raise InputError(f"{name}_axes={axes}: give {', '.join(needed)} in their order, and 1 for others")
        self._input_axes, self._output_axes = input_axes, output_axes
        session = self.load().session
        self._outputs = outputs
        shapes = {each.name: each.shape for each in session.get_outputs()}
        if not outputs or not set(outputs) <= set(shapes):
            raise InputError(f"outputs={outputs}: choose of {', '.join(shapes)}")
        sizes = {name: shapes[name][output_axes.index("D")] for name in outputs}
        size = sizes[outputs[0]]
        if set(sizes.values()) != {size} or not isinstance(size, int):
            told = ", ".join(f"{name} has {each}" for name, each in sizes.items())
            raise InputError(f"outputs={outputs}: must have the same number of features: {told}")
        fixed = session.get_inputs()[0].shape[input_axes.index("N")]
        self._fixed = fixed if isinstance(fixed, int) else None
        super().__init__(
            sample_rate=sample_rate,
            hop_length=hop_length,
            network_rate=model_rate,
            layers=range(len(outputs)),
            num_features=size,
            window_s=fixed / model_rate if isinstance(fixed, int) else window_s,
            overlap_s=overlap_s,
            precision="32-true",
            trainable=False,
            about=about,
        )
        self.stride, self.offset = stride, offset
        self.name, self.weights = self._file.name, content_hash(self._file)

    def load(self) -> "_Session":
        return _Session(self._file)

    def hidden(self, network: nn.Module, audio: Tensor) -> list[Tensor]:
        assert isinstance(network, _Session)
        values = audio.detach().cpu().numpy()
        num_samples = values.shape[1]
        if self._fixed is not None:
            values = np.pad(values, ((0, 0), (0, self._fixed - num_samples)))
        ones = [i for i, axis in enumerate(self._input_axes) if axis == 1]
        named = [axis for axis in self._input_axes if axis != 1]
        values = np.expand_dims(values if named == ["B", "N"] else values.T, ones)
        found = network.session.run(self._outputs, {network.session.get_inputs()[0].name: values})
        order = [self._output_axes.index(axis) for axis in "BDT"]
        others = [i for i, axis in enumerate(self._output_axes) if axis == 1]
        layers = [torch.from_numpy(np.transpose(each, [*order, *others]).reshape(*(each.shape[i] for i in order)))
                  for each in found]  # fmt: skip
        inside = max(1, 1 + int((num_samples - 1 - self.offset) / self.stride))
        return [layer[..., :inside].to(audio.device) for layer in layers]


class _Session(nn.Module):
    """A network of onnxruntime."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.session = open_session(file, "encoders")


def open_session(file: Path, extra: str) -> Any:
    """An onnxruntime.InferenceSession on the CPU. extra: of Ricercar's, that brings onnxruntime."""
    try:
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf
    except ModuleNotFoundError as error:
        raise InputError(f'a file of ONNX needs the package onnxruntime: pip install "ricercar[{extra}]"') from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, RuntimeError) as error:
        raise InputError(f"{file} is damaged, or no file of ONNX: {' '.join(str(error).split())[:200]}") from error
