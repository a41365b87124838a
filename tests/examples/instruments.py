"""Four instruments and drums, each with repeated notes."""

import numpy as np

from ricercar.data.annotations.notes import DRUMS, Notes


def example(random: np.random.Generator) -> Notes:
    """Never two notes of one pitch of an instrument at a time; each instrument is the first of its family."""
    parts = [(0, 60), (24, 60), (32, 40), (72, 80)]
    onset_s = np.arange(0.1, 9.5, 0.3)
    onset, pitch, program = [], [], []
    for of, low in parts:
        onset.append(onset_s + random.uniform(0, 0.1, len(onset_s)))
        pitch.append(random.integers(low, low + 12, len(onset_s)))
        program.append(np.full(len(onset_s), of))
    onset.append(onset_s + random.uniform(0, 0.1, len(onset_s)))
    pitch.append(random.choice([36, 38, 42], len(onset_s)))
    program.append(np.full(len(onset_s), DRUMS))
    start_s = np.concatenate(onset)
    return Notes.make(
        onset_s=start_s,
        offset_s=start_s + random.uniform(0.05, 0.15, len(start_s)),
        pitch=np.concatenate(pitch),
        program=np.concatenate(program),
    )
