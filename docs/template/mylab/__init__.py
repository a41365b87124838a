"""Networks of our own for Ricercar."""
