"""Pretrained networks as frontends: audio at their own sample rate -> hidden layers, as channels."""
