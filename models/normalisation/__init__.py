"""Maps of a compressed picture to about zero mean and unit deviation."""
