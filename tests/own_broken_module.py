"""A module of a user's own that cannot be imported."""

import no_such_library  # type: ignore[import-not-found]  # noqa: F401


class Never:
    """Is not reached."""
