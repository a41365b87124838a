"""How often a run was scored on a split: choosing among systems by many looks at the test split is tuning on it."""

import logging
from pathlib import Path

log = logging.getLogger(__name__)
LEDGER = "looks.csv"


def look(run_dir: Path, task: str, data: str, split: str) -> int:
    """Enters one look into the run's ledger, before anything is predicted -> how many there are of that kind now."""
    path = run_dir / LEDGER
    line = ",".join(f'"{part}"' for part in (task, data, split))
    try:
        before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except (OSError, UnicodeDecodeError) as error:
        log.warning("this look at the %s split is not entered into %s: %s", split, path, error)
        before = []
    return before.count(line) + 1
