"""The provenance of a run: its sessions, the data of its stages, and their durations.

A session is one start of the run. A run that is resumed has several, perhaps of other commits and
machines. They are kept in config.json under "provenance", which is no key of the configuration:
`handpose.config.renamed` leaves it out wherever a stored configuration is read.

    {"sessions": [{commit, dirty, versions, device, host, command, started, ended}, ...],
     "has_all_sessions": false if the run was begun by a version that recorded none,
     "started": of the first session, "ended": of the last one, None until then,
     "seconds": {stage: seconds}, of the stages done, with those of earlier sessions,
     "data": {stage: {split: {source, samples, fingerprint}}}}
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from handpose.config.renamed import PROVENANCE
from handpose.config.schema import num_processes
from handpose.config.secrets import hidden
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.distributed import collectives
from handpose.evaluation.evaluation import Results
from handpose.invocation import command_line
from handpose.pipeline.auto import device_type
from handpose.pipeline.resume import begun_by
from handpose.pipeline.run_directory import CONFIG, read_json, write_json
from handpose.provenance import now, provenance

_SECONDS = "_seconds"
STAGES = ("pretrain", "finetune", "evaluate")
Datasets = Mapping[Any, ViewDataset] | Mapping[Any, TargetDataset]


class Session:
    """This start of a run, beside the earlier ones.

    Args:
        own: what `handpose.provenance.provenance` returns.
        earlier: the block of the sessions before, from config.json; empty for none.
        has_all: whether every session is on record.

    Attributes:
        own: provenance of this start, without its end.
    """

    def __init__(self, own: dict[str, Any], earlier: dict[str, Any], has_all: bool) -> None:
        self.own = own | {"ended": None}
        self._earlier = earlier
        self._has_all = has_all
        self._data: dict[str, Any] = dict(earlier.get("data", {}))
        self._seconds: dict[str, float] = dict(earlier.get("seconds", {}))

    def uses(self, stage: str, datasets: Datasets) -> None:
        """Records the data of a stage.

        Args:
            stage: "pretrain", "finetune", "evaluate" or "adapt_norm".
            datasets: by split.
        """
        if datasets:
            self._data[stage] = {split: describe_data(own) for split, own in datasets.items()}

    def took(self, results: Results) -> None:
        """Records the durations among `results`."""
        found = {stage: results.get(f"{stage}{_SECONDS}") for stage in STAGES}
        self._seconds |= {stage: float(s) for stage, s in found.items() if s is not None}

    def block(self, *, is_over: bool = False) -> dict[str, Any]:
        """Returns the provenance of the run so far, in plain values.

        Args:
            is_over: the session ends now.
        """
        own = self.own | {"ended": now()} if is_over else self.own
        sessions = [*self._earlier.get("sessions", []), own]
        return {
            "sessions": sessions,
            "has_all_sessions": self._has_all,
            "started": sessions[0]["started"],
            "ended": own["ended"],
            "seconds": dict(self._seconds),
            "data": self._data,
        }


@contextmanager
def recorded(cfg: DictConfig, run_dir: Path) -> Iterator[Session]:
    """Record this start of a run in config.json, and its end after the block.

    Only rank 0 reads and writes the file.

    Args:
        cfg: configuration of the run.
        run_dir: claimed by this run.
    """
    own = describe_process(cfg, run_command(run_dir))
    session = Session(own, *collectives.decided(lambda: _earlier(run_dir)))
    collectives.decided(lambda: _keep(run_dir, session.block()))
    try:
        yield session
    finally:
        if collectives.is_first():
            with suppress(OSError, ValueError):  # the disk is full, or the directory deleted
                _keep(run_dir, session.block(is_over=True))


def _earlier(run_dir: Path) -> tuple[dict[str, Any], bool]:
    """Return the block of the sessions before, and whether every session is on record."""
    earlier = read_json(run_dir / CONFIG).get(PROVENANCE, {})
    has_begun = (run_dir / "checkpoints").exists()
    return earlier, earlier.get("has_all_sessions", not has_begun)


def _keep(run_dir: Path, block: dict[str, Any]) -> None:
    write_json(run_dir / CONFIG, read_json(run_dir / CONFIG) | {PROVENANCE: block})


def describe_process(cfg: DictConfig, command: str) -> dict[str, Any]:
    """Return the provenance of this process, for the devices of a configuration.

    Args:
        cfg: configuration of a run or an evaluation.
        command: command line; secrets in it are hidden.
    """
    processes = num_processes(cfg.trainer)
    return provenance(device=device_type(cfg), processes=processes, command=hidden(command))


def run_command(run_dir: Path) -> str:
    """Return the command of this run: as typed, or for a cell of a sweep or a notebook its own."""
    overrides = map(str, HydraConfig.get().overrides.task)
    is_typed = all(override in sys.argv for override in overrides)
    is_sweep = any(flag in sys.argv for flag in ("-m", "--multirun"))
    return command_line("train") if is_typed and not is_sweep else begun_by(run_dir)


def describe_data(dataset: ViewDataset | TargetDataset) -> dict[str, Any]:
    """Return name, number of samples and fingerprint of one split in plain values."""
    source = dataset.source
    return {
        "source": source.name,
        "samples": len(dataset),
        "fingerprint": source.fingerprint,  # None if the source has none
    }
