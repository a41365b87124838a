"""What a user can mend."""


class InputError(ValueError):
    """Something the user gave (an option, a file, a folder) cannot be used.

    The message says what is wrong, the value, where (file, line, track) and what to do.
    train.py and eval.py print it without a traceback and exit with code 1.
    """
