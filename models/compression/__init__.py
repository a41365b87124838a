"""Pointwise maps of a spectrogram: what comes between the frontend and the normalisation."""
