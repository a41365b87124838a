"""What a reader of a board has to know before comparing its systems."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ricercar.comparison.options import clean, listed
from ricercar.comparison.systems import System
from ricercar.harness.provenance import UNKNOWN
from ricercar.harness.results import Result

_MANY = 6  # works: of fewer, two that have most of the tracks are no news


def notes_on(systems: Sequence[System], data: str, forbidden: Sequence[str]) -> list[str]:
    """Works that were trained on, looks at the test split, unequal effort, other code and packages.

    data: name of the data set; forbidden: names of those that the protocol does not allow in development
    """
    results = [run.result for system in systems for run in system.runs]
    return [
        *_folds(systems),
        *_trained_on(systems),
        *_chosen_by(systems),
        *_named_alike(systems, data),
        *_forbidden(systems, forbidden),
        *_looks(systems),
        *_effort(systems),
        *_code(results),
        *_packages(results),
    ]


def few_works(works: Sequence[str], averaging: str) -> Iterator[str]:
    """One or two works that have most of the tracks, of which the mean is theirs then. works: of each track."""
    sizes = Counter(works)
    if averaging != "tracks" or len(sizes) < _MANY:
        return
    for number in (1, 2):
        most = sizes.most_common(number)
        share = sum(size for _, size in most) / len(works)
        if share >= 0.5:
            like = len(works) ** 2 / sum(size**2 for size in sizes.values())
            have = "has" if number == 1 else "have"
            yield (
                f"{number} of {len(sizes)} works {have} {100 * share:.0f} % of the tracks: "
                f"{listed(name for name, _ in most)}. The mean is mostly theirs, as if there were {like:.1f} works."
            )
            return


def shared_works(system: System) -> list[str]:
    """The works of the scored split that one of the runs was trained on."""
    trainings = [run.result.training for run in system.runs]
    return sorted({work for training in trainings if training for work in training.shared})


def works_unknown(system: System) -> bool:
    """Whether nobody said which works a run was trained on."""
    trainings = [run.result.training for run in system.runs]
    return any(training is not None and training.works == UNKNOWN for training in trainings)


def num_trials(system: System) -> int | None:
    """Of the search on the validation split; the most of any run."""
    searches = [run.result.tuning for run in system.runs]
    return max((len(search.trials) for search in searches if search), default=None)


def looks(system: System) -> int | None:
    """How often a run was scored on the split; the most of any run."""
    return max((run.result.looks for run in system.runs if run.result.looks is not None), default=None)


def _folds(systems: Sequence[System]) -> Iterator[str]:
    named: dict[int, list[str]] = {}
    for system in systems:
        number = max(len(run.folds) for run in system.runs)
        if number and not system.is_baseline:
            named.setdefault(number, []).append(system.name)
    for number, names in named.items():
        yield f"Cross-validation over {number} folds, each track by the network that had not seen it: {listed(names)}."


def _trained_on(systems: Sequence[System]) -> Iterator[str]:
    for system in systems:
        if works := shared_works(system):
            yield f"Warning: {system.name} was trained on {len(works)} works that it is scored on: {listed(works)}."


def _chosen_by(systems: Sequence[System]) -> Iterator[str]:
    for system in systems:
        trainings = [run.result.training for run in system.runs]
        if works := sorted({work for each in trainings if each for work in each.shared_choosing}):
            yield f"Warning: {system.name} was chosen by {len(works)} works that it is scored on: {listed(works)}."


def developed_on(system: System) -> list[str]:
    """Names of the data sets that a system was trained on or chosen by, as far as they are known."""
    trainings = [run.result.training for run in system.runs]
    named = [name for each in trainings if each for name in (*each.data, *(each.choosing or []))]
    return list(dict.fromkeys(part for name in named for part in name.split("+")))


def _named_alike(systems: Sequence[System], data: str) -> Iterator[str]:
    """Of systems whose works are not known, the names of data sets are all there is."""
    scored = {_letters(part) for part in data.split("+")}
    for system in systems:
        alike = [name for name in developed_on(system) if _letters(name) in scored]
        if alike and works_unknown(system):
            yield (
                f"Warning: {system.name} was trained on or chosen by {listed(alike)}, of which this is a part; "
                "which of its works is not known."
            )


def _forbidden(systems: Sequence[System], forbidden: Sequence[str]) -> Iterator[str]:
    names = {_letters(name) for name in forbidden}
    for system in systems:
        if used := [name for name in developed_on(system) if _letters(name) in names]:
            yield f"Warning: {system.name} was developed with {listed(used)}, which the protocol forbids."


def _letters(name: str) -> str:
    """folder:GTZAN-genre -> gtzangenre"""
    return "".join(filter(str.isalnum, name.rpartition(":")[2].casefold()))


def _looks(systems: Sequence[System]) -> Iterator[str]:
    often = {system.name: times for system in systems if (times := looks(system)) is not None and times > 1}
    if often:
        counts = listed(f"{name} {times} times" for name, times in often.items())
        yield f"Scored on this split more than once, so choices may be fitted to it: {counts}."


def _effort(systems: Sequence[System]) -> Iterator[str]:
    efforts = {system.name: trials for system in systems if (trials := num_trials(system)) is not None}
    if len(set(efforts.values())) > 1:
        most, least = max(efforts, key=efforts.__getitem__), min(efforts, key=efforts.__getitem__)
        yield (
            f"Unequal effort: {efforts[least]} trials for {least}, {efforts[most]} for {most}. "
            "Compare the expected best of equally many trials."
        )


def _code(results: Sequence[Result]) -> Iterator[str]:
    commits = Counter(result.git.commit[:8] + ("+" if result.git.dirty else "") for result in results if result.git)
    if len(commits) > 1:
        yield f"The code differs: commits {listed(_counted(commits))} (+: with changes)."


def _packages(results: Sequence[Result]) -> Iterator[str]:
    differing = []
    for package in dict.fromkeys(name for result in results for name in result.versions):
        versions = Counter(result.versions.get(package) or "not installed" for result in results)
        if len(versions) > 1:
            differing.append(f"{clean(package)} {listed(_counted(versions), 3)}")
    if differing:
        yield f"Versions differ: {'; '.join(differing)}."


def _counted(counts: Counter[str]) -> list[str]:
    return [f"{name} ({number} results)" for name, number in counts.most_common()]
