"""Pointwise maps of a picture: what comes between the frontend and the normalisation."""
