"""What a tempo is taught from: beats."""

from examples.beat import example

__all__ = ["example"]
