"""The sources of a run, opened in every split even if training would refuse them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from handpose.data.base import SPLITS, HandDataset, MissingSplitError, Split
from handpose.data.index.problems import (
    BrokenDataError,
    Problem,
    read_quarantine,
    write_quarantine,
)
from handpose.pipeline.parts import Caps, build_dataset

_STAGES = ("pretrain.dataset", "finetune.dataset")
EVALUATED = "evaluate.dataset"


class Source(NamedTuple):
    """A source as the command line configures it."""

    key: str  # of its configuration: "dataset", "dataset.parts.mpii"
    name: str  # of its file in conf/dataset/
    # (split, quarantine) -> dataset; a quarantine replaces the configured one, None keeps it.
    open: Callable[[Split, str | None], HandDataset]
    settings: Mapping[str, Any]  # its configuration as plain values


class Opened(NamedTuple):
    """The splits of a source, without bad files and records."""

    splits: dict[Split, HandDataset]
    missing: dict[Split, str]  # why a split is not there
    refused: list[Problem]  # why a training would be refused
    is_fatal: bool = False  # no split can be read; `refused` says why


def configured_sources(cfg: DictConfig) -> dict[str, list[Source]]:
    """Returns the sources of the run's dataset, or of each stage's own, by the dataset's key.

    Those of another evaluated dataset are added.
    """
    apart = [EVALUATED] if OmegaConf.select(cfg, EVALUATED) is not None else []
    keys = ("dataset", *_STAGES, *apart)
    nodes = {key: OmegaConf.to_container(OmegaConf.select(cfg, key), resolve=True) for key in keys}
    own = [key for key in _STAGES if nodes[key] != nodes["dataset"]]
    chosen = [*(own if len(own) == len(_STAGES) else ["dataset", *own]), *apart]
    return {key: _sources(key, nodes[key], dataset_name(cfg, key)) for key in chosen}


def dataset_name(cfg: DictConfig, key: str) -> str:
    """Returns the name of a dataset's file in conf/dataset/.

    Args:
        cfg: configuration with Hydra's part.
        key: "dataset", or "dataset" below "pretrain", "finetune" or "evaluate".
    """
    choices = cfg.hydra.runtime.choices
    return choices.get(f"dataset@{key}") or choices["dataset"]


def _sources(key: str, settings: Any, name: str) -> list[Source]:
    """Returns the source, or those of a mix, with the size and crops of the mix."""
    if "parts" not in settings:
        return [_source(key, name, settings)]
    of_all = {option: settings[option] for option in ("image_size", "crop_by")}
    return [
        _source(f"{key}.parts.{part}", part, settings["parts"][part] | of_all)
        for part in settings["sources"]
        if part in settings["parts"]
    ]


def _source(key: str, name: str, settings: dict[str, Any]) -> Source:
    def open_split(split: Split, quarantine: str | None) -> HandDataset:
        changed = {"quarantine": quarantine} if quarantine else {}
        return build_dataset(OmegaConf.create(settings | changed), split, Caps())

    return Source(key, name, open_split, settings)


def open_splits(source: Source) -> Opened:
    """Opens all splits, leaving out bad files and records that are in no quarantine yet."""
    opened = Opened({}, {}, [])
    try:
        with TemporaryDirectory() as folder:
            for split in SPLITS:
                _open_split(source, split, opened, Path(folder) / "all.csv")
    except BrokenDataError as error:
        # Without a bad file, the message says what was left out.
        problems = error.problems or [Problem(source.key, str(error))]
        return Opened({}, {}, problems, is_fatal=True)
    except (ValueError, OSError) as error:  # a wrong setting, or a file that cannot be read
        return Opened({}, {}, [Problem(source.key, str(error))], is_fatal=True)
    return opened


def _open_split(source: Source, split: Split, opened: Opened, quarantine: Path) -> None:
    """Opens one split; if it is refused, again with everything bad in `quarantine`."""
    try:
        opened.splits[split] = source.open(split, str(quarantine) if opened.refused else None)
    except MissingSplitError as error:
        opened.missing[split] = str(error)
    except BrokenDataError as error:
        if error.is_fatal or opened.refused:
            raise
        opened.refused.extend(error.problems)
        configured = source.settings.get("quarantine")
        known = read_quarantine(Path(configured)) if configured else set()
        write_quarantine(quarantine, error.problems + [Problem(file, "") for file in known])
        _open_split(source, split, opened, quarantine)
