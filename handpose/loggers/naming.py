"""The name, group, job type and tags by which trackers list a run, from its configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from handpose.report.choices import Config, find, is_capped, part_name

_DEFAULT_DATASET = "synthetic"
_LONGEST = 128  # characters of a name in W&B
# Keys that the name shows already, and groups among them.
_SHOWN = (
    *("objective", "head", "backbone", "backbone.name", "dataset", "seed"),
    *("finetune.label_fraction", "sweep"),
)
_STAGES = ("pretrain", "finetune")


class SweepPlace(NamedTuple):
    """The place of a run in a sweep or study."""

    sweep: str  # name of the sweep or study
    folder: str  # of the run, relative to that of the sweep or study
    varied: Sequence[str] = ()  # the overrides in which it differs from the other cells


class Identity(NamedTuple):
    """How a run is listed."""

    name: str
    group: str | None
    job_type: str
    tags: tuple[str, ...]
    choices: dict[str, Any]  # the parts by name, to group and compare runs by


def identity(config: Config, cell: SweepPlace | None = None) -> Identity:
    """Describe a run.

    Args:
        config: resolved configuration.
        cell: of a sweep or study; None for a single run.
    """
    stages = _stages_of(config)
    return Identity(
        name=run_name(config, cell),
        group=None if cell is None else cell.sweep,
        job_type="train" if len(stages) != 1 else stages[0],
        tags=_tags(config, stages),
        choices=_choices(config),
    )


def run_name(config: Config, cell: SweepPlace | None = None) -> str:
    """Return the parts of a run joined by dashes, such as "relative-heatmap-resnet18-s5".

    The dataset and the label fraction stand in it if they are not the defaults, and in a sweep what
    else varies. A run of a study has the name of its folder.

    Args:
        config: resolved configuration.
        cell: of a sweep or study; None for a single run.
    """
    if cell is not None and "/" in cell.folder:
        return cell.folder[-_LONGEST:]
    choices = _choices(config)
    words = [choices["objective"], choices["head"], choices["backbone"]]
    if start := _start(config):
        words.append(f"from-{start}")
    if choices["dataset"] != _DEFAULT_DATASET:
        words.append(choices["dataset"])
    if "finetune" in _stages_of(config) and choices["label_fraction"] not in (None, 1):
        words.append(f"{100 * choices['label_fraction']:g}pct")
    varied = [] if cell is None else [_short(line) for line in cell.varied if not _is_shown(line)]
    return "-".join([*words, *varied, f"s{choices['seed']}"])[:_LONGEST]


def _is_shown(override: str) -> bool:
    return override.partition("=")[0].lstrip("+") in _SHOWN


def _short(override: str) -> str:
    """Return an override with its stage and the last part of its key: "pretrain.lr=0.01"."""
    key, _, value = override.lstrip("+").partition("=")
    key = key.rpartition("@")[2]  # the key of a choice for one stage
    stage = key.partition(".")[0]
    last = key.rpartition(".")[2]
    return f"{stage}.{last}={value}" if stage in _STAGES and stage != last else f"{last}={value}"


def _choices(config: Config) -> dict[str, Any]:
    parts = ("objective", "head", "backbone")
    return {
        **{part: part_name(config, part) for part in parts},
        "dataset": _datasets(config),
        "label_fraction": find(config, "finetune.label_fraction"),
        "seed": find(config, "seed"),
        "weights": _start(config) or "random",
    }


def _stages_of(config: Config) -> list[str]:
    """Return the stages that train."""
    parts = {"pretrain": "objective", "finetune": "head"}
    return [stage for stage in _STAGES if part_name(config, parts[stage]) != "none"]


def _datasets(config: Config) -> str:
    """Return the datasets of the stages that train, such as "youtube-to-freihand"."""
    names = [part_name(config, f"{stage}.dataset") for stage in _stages_of(config)]
    return "-to-".join(dict.fromkeys(name for name in names if name != "none")) or "none"


def _start(config: Config) -> str:
    """Return where the weights come from in a word; empty for random ones."""
    weights = find(config, "init_from") or find(config, "backbone.weights")
    if not weights:
        return ""
    path = Path(str(weights))
    is_file_of_run = path.suffix == ".pt" and path.stem in ("backbone", "model")
    return path.parent.name if is_file_of_run else path.stem


def _tags(config: Config, stages: Sequence[str]) -> tuple[str, ...]:
    choices = _choices(config)
    names = [choices["objective"], choices["head"], choices["backbone"]]
    names += choices["dataset"].split("-to-")
    tags = [*(name for name in names if name != "none"), *stages]
    return tuple(dict.fromkeys([*tags, *(["capped"] if is_capped(config) else [])]))
