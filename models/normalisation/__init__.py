"""Maps of a compressed spectrogram to about zero mean and unit deviation."""
