"""What a tempo is learned from: beats."""

from examples.beat import example

__all__ = ["example"]
