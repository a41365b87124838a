"""Splits where a data set has none: whole groups by a rule, and groups that published splits tear apart."""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

log = logging.getLogger(__name__)

UNSPLIT = "none"  # no split: the published lists leave the track out
EXCLUDED = "excluded"  # never used: a second copy of another track
RULE_SHARES = {"test": 0.2, "valid": 0.1}


def by_rule(groups: Sequence[str], shares: Mapping[str, float], salt: str) -> dict[str, str]:
    """{group: split}: whole groups, in the order of a hash, until each split has its share of the tracks; rest: train.

    groups   the group of each track
    shares   {split: share of the tracks}
    salt     part of what is hashed: another salt, another order

    A group goes into the split that is being filled if that brings it nearer to its share.
    """
    sizes = Counter(groups)
    queue = sorted(sizes, key=lambda group: (hashlib.sha256(f"{salt}/{group}".encode()).hexdigest(), group))
    split_of = dict.fromkeys(queue, "train")
    first = 0
    for split, share in shares.items():
        filled = 0
        while first < len(queue) and filled + sizes[queue[first]] / 2 <= share * len(groups):
            split_of[queue[first]] = split
            filled += sizes[queue[first]]
            first += 1
    return split_of


def valid_from_train(splits: Mapping[str, str], groups: Mapping[str, str], share: float, salt: str) -> dict[str, str]:
    """`splits`, {id: split}, with whole groups of train moved to valid by the rule, until it has `share` of train."""
    train = [group for id_, group in groups.items() if splits[id_] == "train"]
    split_of = by_rule(train, {"valid": share}, salt)
    return {id_: split_of[groups[id_]] if split == "train" else split for id_, split in splits.items()}


def crossing(split_of: Sequence[tuple[str, str]]) -> list[str]:
    """The groups of (group, split) pairs that are in more than one split, sorted."""
    first: dict[str, str] = {}
    return sorted({group for group, split in split_of if first.setdefault(group, split) != split})


def warn_of_crossing(name: str, groups: str, split_of: Sequence[tuple[str, str]]) -> None:
    """Says once that groups (`groups` in words) of the data set `name` are in more than one split, if they are."""
    if cross := crossing(split_of):
        say_once(
            f"{name}: {len(cross)} of {len({group for group, _ in split_of})} {groups} are in more than one of the "
            f"published splits, such as {cross[0]}: scores are higher than on {groups} never heard"
        )


@cache
def say_once(message: str) -> None:
    log.warning(message)
