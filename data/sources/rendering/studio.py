"""Notes -> tracks: draws for each track the SoundFont, tuning, room and noise that it is rendered with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ricercar.checks import check_between
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.notes import Notes
from ricercar.data.sources.rendering.renderer import Rendering, synthesiser_version
from ricercar.data.sources.rendering.soundfont import SoundFont
from ricercar.data.track import Track
from ricercar.errors import InputError


class Studio:
    """Renders tracks in varied settings; see Rendering. Ranges are (low, high) and drawn from uniformly.

    soundfonts      .sf2 files, one of which is drawn for a track; None: the General MIDI font of pretty_midi
    tuning_cents    range; the frequencies of a melody follow
    reverb_share    share of tracks with a room
    reverb_db, reverb_s, noise_db, gain_db    ranges
    """

    def __init__(
        self,
        *,
        soundfonts: Sequence[str] | None,
        tuning_cents: Sequence[float],
        reverb_share: float,
        reverb_db: Sequence[float],
        reverb_s: Sequence[float],
        noise_db: Sequence[float],
        gain_db: Sequence[float],
    ) -> None:
        if isinstance(soundfonts, str):
            raise InputError(f"soundfonts={soundfonts!r}: must be a list, such as [{soundfonts}]")
        self.soundfonts = [SoundFont(Path(file).expanduser()) for file in soundfonts or []] or [SoundFont(None)]
        self.tuning_cents = _range("tuning_cents", tuning_cents)
        check_between(0, 1, reverb_share=reverb_share)
        self.reverb_share = reverb_share
        self.reverb_db = _range("reverb_db", reverb_db)
        self.reverb_s = _range("reverb_s", reverb_s)
        if self.reverb_s[0] <= 0:
            raise InputError(f"reverb_s {list(reverb_s)}: a reverberation time is above 0 s.")
        self.noise_db = _range("noise_db", noise_db)
        self.gain_db = _range("gain_db", gain_db)
        synthesiser_version()  # fails now, not when the first track is rendered
        for soundfont in self.soundfonts:
            soundfont.content_hash()

    def track(
        self,
        random: np.random.Generator,
        *,
        id: str,
        split: str,
        group: str,
        work: str,
        notes: Notes,
        annotations: Mapping[str, Annotation],
        duration_s: float | None,
        levels_db: Mapping[int, float] | None,
    ) -> Track:
        """The track of these notes. Its settings depend on the state of `random` alone."""
        rendering = Rendering(
            notes=notes,
            soundfont=self.soundfonts[int(random.integers(len(self.soundfonts)))],
            duration_s=duration_s,
            tuning_cents=float(random.uniform(*self.tuning_cents)),
            levels_db=levels_db,
            reverb_db=float(random.uniform(*self.reverb_db)) if random.random() < self.reverb_share else None,
            reverb_s=float(random.uniform(*self.reverb_s)),
            noise_db=float(random.uniform(*self.noise_db)),
            gain_db=float(random.uniform(*self.gain_db)),
            seed=int(random.integers(2**31)),
        )
        melody = annotations.get("melody")
        if isinstance(melody, Melody):
            tuned = melody.frequency_hz * 2.0 ** (rendering.tuning_cents / 1200.0)
            annotations = {**annotations, "melody": replace(melody, frequency_hz=tuned)}
        return Track(id=id, split=split, group=group, audio=rendering, annotations=annotations, work=work)


def _range(name: str, values: Sequence[float]) -> tuple[float, float]:
    if len(values) != 2 or values[0] > values[1]:
        raise InputError(f"{name} {list(values)}: it takes two numbers, [low, high].")
    return float(values[0]), float(values[1])
