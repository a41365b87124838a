"""A page is passed on: it tells what there is, not where it lay on the machine that made it."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Two folders or more from the root on; not what is in a URL, in a tag, or behind a word, as in "F/P/R".
_ABSOLUTE = re.compile(r"""(?<![\w<:/.+~-])(?:/[^\s/"'<>,;:()\[\]{}]+)+/([^\s/"'<>,;:()\[\]{}]*)""")


def without_places(content: Any, files: Iterable[Path]) -> Any:
    """JSON values -> the same without absolute paths: those of `files` from the folder on that has all of them, of
    others the last part alone.
    """
    parents = {each for file in files for each in (file.absolute().parent, file.resolve().parent)}
    common = f"{os.path.commonpath(parents)}/" if parents else ""
    home = str(Path.home())

    def plain(text: str) -> str:
        if text.startswith("data:"):  # sound or a picture
            return text
        if len(common) > 1:
            text = text.replace(common, "")
        return _ABSOLUTE.sub(r"\1", text).replace(home, "~") if home != "/" else _ABSOLUTE.sub(r"\1", text)

    def walked(value: Any) -> Any:
        if isinstance(value, str):
            return plain(value)
        if isinstance(value, dict):
            return {key: walked(each) for key, each in value.items()}
        return [walked(each) for each in value] if isinstance(value, list) else value

    return walked(content)
