"""What is done to the sound and the spectrogram of a training batch, so that a network hears more than was recorded."""

from collections.abc import Callable

import torch
from torch import Tensor

from ricercar.checks import check_between, check_pair, check_whole
from ricercar.errors import InputError


class Augmentation:
    """Random changes that leave the labels as they are. Everything is drawn anew for each clip of a batch.

    gain_db         gain, uniform within +- gain_db
    equaliser_db    smooth random equaliser: standard deviation of each of six bands, interpolated in log frequency
    noise_db        (low, high): level of white noise below the clip's RMS, drawn uniformly, in dB; null: none
    reverb_share    share of clips that get a room: exponentially decaying noise, its reverberation time
                    drawn from reverb_time_s = (low, high) and its level below the direct sound from reverb_db
    time_mask       (how many, at most how many frames): masked with the spectrogram's mean (Park et al. 2019)
    frequency_mask  (how many, at most which share of the bins)
    pitch_shift_semitones, detune_cents   used where crops are cut, because labels follow
    mix_examples, mix_db                  as well: how many windows are summed at most, and (low, high): the level of
                                          each but the first, in dB
    part   (i, n): each batch is part i of n of a whole one, of which the other parts are elsewhere. Random numbers are
           those of the whole one (`drawn`), so that n processes hear what one would
    """

    part = (0, 1)

    def __init__(
        self,
        *,
        gain_db: float,
        equaliser_db: float,
        noise_db: tuple[float, float] | None,
        reverb_share: float,
        reverb_time_s: tuple[float, float],
        reverb_db: tuple[float, float],
        time_mask: tuple[int, int],
        frequency_mask: tuple[int, float],
        pitch_shift_semitones: int,
        detune_cents: float,
        mix_examples: int,
        mix_db: tuple[float, float],
        sample_rate: int,
    ) -> None:
        check_between(0, float("inf"), gain_db=gain_db, equaliser_db=equaliser_db)
        check_between(0, 1, reverb_share=reverb_share)
        check_pair(0, float("inf"), reverb_time_s=reverb_time_s)
        check_pair(-float("inf"), float("inf"), reverb_db=reverb_db)
        if noise_db is not None:
            check_pair(-float("inf"), float("inf"), noise_db=noise_db)
        check_whole(0, pitch_shift_semitones=pitch_shift_semitones)
        check_between(0, 24, pitch_shift_semitones=pitch_shift_semitones)
        check_between(0, 1200, detune_cents=detune_cents)
        check_whole(1, mix_examples=mix_examples)
        check_pair(-60, 60, mix_db=mix_db)
        _check_masks(time_mask=time_mask, frequency_mask=frequency_mask)
        self.gain_db = gain_db
        self.equaliser_db = equaliser_db
        self.noise_db = noise_db
        self.reverb_share = reverb_share
        self.reverb_time_s = reverb_time_s
        self.reverb_db = reverb_db
        self.time_mask = time_mask
        self.frequency_mask = frequency_mask
        self.pitch_shift_semitones = pitch_shift_semitones
        self.detune_cents = detune_cents
        self.mix_examples = mix_examples
        self.mix_db = mix_db
        self.sample_rate = sample_rate

    @property
    def changes_audio(self) -> bool:
        """Whether it does anything to the sound, and not to the spectrogram alone."""
        shares = (self.gain_db, self.equaliser_db, self.reverb_share, self.pitch_shift_semitones, self.detune_cents)
        return self.noise_db is not None or self.mix_examples > 1 or any(share > 0 for share in shares)

    def drawn(self, draw: Callable[..., Tensor], like: Tensor, *shape: int) -> Tensor:
        """draw: torch.rand or torch.randn -> (B, *shape) for the batch `like`, on its device."""
        (part, parts), size = self.part, like.shape[0]
        return draw(size * parts, *shape, device=like.device)[part * size : (part + 1) * size]

    def audio(self, audio: Tensor) -> Tensor:
        """(B, N) -> (B, N), float32"""
        if self.reverb_share > 0 or self.equaliser_db > 0:
            audio = self._filtered(audio)
        if self.noise_db is not None:
            level_db = self._uniform(audio, -self.noise_db[1], -self.noise_db[0])
            rms = audio.square().mean(dim=1, keepdim=True).sqrt()
            audio = audio + self.drawn(torch.randn, audio, audio.shape[1]) * rms * _amplitude(level_db)
        if self.gain_db > 0:
            audio = audio * _amplitude(self._uniform(audio, -self.gain_db, self.gain_db))
        return audio

    def spectrogram(self, spectrogram: Tensor) -> Tensor:
        """(B, C, F, T) -> (B, C, F, T)"""
        num_bins = spectrogram.shape[2]
        for _ in range(self.time_mask[0]):
            spectrogram = self._masked(spectrogram, 3, self.time_mask[1])
        for _ in range(self.frequency_mask[0]):
            spectrogram = self._masked(spectrogram, 2, self.frequency_mask[1] * num_bins)
        return spectrogram

    def _filtered(self, audio: Tensor) -> Tensor:
        """One product in the frequency domain for the room and the equaliser."""
        num_samples = audio.shape[1]
        tail = int(self.reverb_time_s[1] * self.sample_rate) if self.reverb_share > 0 else 0
        size = _fast_size(num_samples + tail)
        spectrum = torch.fft.rfft(audio, size)
        if self.equaliser_db > 0:
            spectrum = spectrum * self._equaliser(audio, spectrum.shape[1])
        if self.reverb_share > 0:
            spectrum = spectrum * torch.fft.rfft(self._room(audio, tail), size)
        filtered: Tensor = torch.fft.irfft(spectrum, size)
        return filtered[:, :num_samples]

    def _equaliser(self, audio: Tensor, num_bins: int) -> Tensor:
        """(B, num_bins) gains, linear in dB between six points a factor of 3 apart in frequency, 30 Hz to 7.3 kHz."""
        points_db = self.drawn(torch.randn, audio, 6) * self.equaliser_db
        freq_hz = torch.linspace(0, self.sample_rate / 2, num_bins, device=audio.device)
        position = (torch.log(freq_hz.clamp(min=30.0) / 30.0) / torch.log(torch.tensor(3.0))).clamp(max=4.999)
        lower = position.long()
        share = position - lower
        return _amplitude(points_db[:, lower] * (1 - share) + points_db[:, lower + 1] * share)

    def _room(self, audio: Tensor, tail: int) -> Tensor:
        """(B, tail) impulse responses: 1 at time 0, then noise that falls by 60 dB in the reverberation time."""
        time_s = torch.arange(tail, device=audio.device) / self.sample_rate
        decay = torch.exp(-6.908 * time_s / self._uniform(audio, *self.reverb_time_s))
        noise = self.drawn(torch.randn, audio, tail) * decay
        noise[:, 0] = 0.0
        noise = noise / noise.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-9)
        level = _amplitude(-self._uniform(audio, *self.reverb_db))
        used = (self.drawn(torch.rand, audio, 1) < self.reverb_share).float()
        room = noise * level * used
        room[:, 0] = 1.0
        return room

    def _uniform(self, like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * self.drawn(torch.rand, like, 1)

    def _masked(self, spectrogram: Tensor, axis: int, longest: float) -> Tensor:
        size, (part, parts), num_clips = spectrogram.shape[axis], self.part, spectrogram.shape[0]
        random = torch.rand(2, num_clips * parts, 1, device=spectrogram.device)
        random = random[:, part * num_clips : (part + 1) * num_clips]
        length = random[0] * min(longest, size)
        start = random[1] * (size - length)
        place = torch.arange(size, device=spectrogram.device)
        mask = (place >= start) & (place < start + length)
        mask = mask[:, None, :, None] if axis == 2 else mask[:, None, None, :]
        return torch.where(mask, spectrogram.mean(dim=(1, 2, 3), keepdim=True), spectrogram)


def _check_masks(**masks: tuple[int, float]) -> None:
    for name, mask in masks.items():
        if len(mask) != 2:
            raise InputError(f"{name}={mask}: must be two numbers: how many, and at most how large")
        check_whole(0, **{f"{name}[0]": mask[0]})
        check_between(0, float("inf"), **{f"{name}[1]": mask[1]})


def _amplitude(db: Tensor) -> Tensor:
    return torch.pow(10.0, db / 20.0)


def _fast_size(size: int) -> int:
    """The next size that is a multiple of 4096: products of small primes are near enough for a fast FFT."""
    return -(-size // 4096) * 4096
