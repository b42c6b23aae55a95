"""Runs of one kind differ in nothing but the seed and the share of the labels."""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePath

from handpose.config.stored import compare
from handpose.explore.runs import Run
from handpose.report.choices import Config, essence, find

_PARTS = ("dataset", "backbone", "objective", "head")  # as `essence` names them
_START = "backbone.weights"
# What runs of one kind may differ in; the start has its own words.
_LEFT_OUT = ("seed", "finetune.label_fraction", _START)
_SEED = re.compile(r"[_,-]?seed[-_=]\d+(?![A-Za-z0-9])")  # in a path: a study's is seed-5


def by_kind(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """What tells a kind from the others, in words -> its runs."""
    keys = _varying([run.config for run in runs])
    starts = _names({_start(run.config) for run in runs})
    kinds: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        begun = f"from {starts[_start(run.config)]}"
        settings = (_setting(run.config, key) for key in keys)
        kinds.setdefault((*_parts(run.config), begun, *settings), []).append(run)
    labels = _labels(list(kinds)) if len(kinds) > 1 else [essence(run.config) for run in runs[:1]]
    return dict(zip(labels, kinds.values(), strict=True))


def _parts(config: Config) -> list[str]:
    """ "head=heatmap", and so on."""
    names = essence(config).split(" × ", len(_PARTS) - 1)
    return [f"{part}={name}" for part, name in zip(_PARTS, names, strict=True)]


def _varying(configs: Sequence[Config]) -> list[str]:
    """The dotted keys of values that tell kinds apart, beside the start."""
    lines = [line for config in configs for line in compare(configs[0], config)]
    keys = dict.fromkeys(line.partition(":")[0] for line in lines)
    return [key for key in keys if key not in _LEFT_OUT and not _is_branch(configs, key)]


def _is_branch(configs: Sequence[Config], key: str) -> bool:
    """Whether some have values below it, which tell as much."""
    return any(isinstance(find(config, key), dict) for config in configs)


def _setting(config: Config, key: str) -> str:
    """ "head.width=64"."""
    value = find(config, key)
    return f"{key}={'null' if value is None else value}"


def _start(config: Config) -> PurePath:
    """The weights that it began with, whatever seed they are of: a study's are its arm's folder."""
    given = PurePath(str(find(config, _START) or "random weights"))
    path = PurePath(*(_SEED.sub("", part).strip("_,-") for part in given.parts))
    return path.parent if path.name == "backbone.pt" and path.parent.name else path


def _names(paths: Collection[PurePath]) -> dict[PurePath, str]:
    """Each path's end, all as short as keeps them apart."""
    longest = max((len(path.parts) for path in paths), default=0)
    for length in range(1, longest + 1):
        names = {path: str(PurePath(*path.parts[-length:])) for path in paths}
        if len(set(names.values())) == len(names):
            return names
    return {path: str(path) for path in paths}


def _labels(kinds: Sequence[tuple[str, ...]]) -> list[str]:
    """Of each: parts and start where they differ, and as many settings as keep all apart.

    Args:
        kinds: two or more; (a word for each part, the start, a word for each setting).
    """
    always = len(_PARTS) + 1
    told = [place for place in range(always) if _count(kinds, [place]) > 1]
    for place in range(always, len(kinds[0])):
        if _count(kinds, [*told, place]) > _count(kinds, told):
            told.append(place)
    return [", ".join(kind[place] for place in told) for kind in kinds]


def _count(kinds: Sequence[tuple[str, ...]], places: Sequence[int]) -> int:
    """How many kinds these places keep apart."""
    return len({tuple(kind[place] for place in places) for kind in kinds})
