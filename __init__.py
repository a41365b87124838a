"""Ricercar: a benchmark harness for music information retrieval."""

__version__ = "0.1.0"
