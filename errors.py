"""What a user can mend, and how a command ends by it."""

import os
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something the user gave (an option, a file, a folder) cannot be used.

    The message says what is wrong, the value, where (file, line, track) and what to do.
    Commands print it without a traceback and exit with code 1.
    """


def exit_code(command: Callable[[], int | None], interrupted: str = "") -> int:
    """Runs a command -> its exit code: 1 for what the user can mend, which is one message, 130 for Ctrl-C.

    interrupted: what to say of the latter.
    """
    try:
        code = command()
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ninterrupted{interrupted}.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in leaderboard.py outputs | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code or 0
