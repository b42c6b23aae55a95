"""Open the loggers that a configuration names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger

from handpose.loggers.csv_log import CsvLog
from handpose.loggers.naming import SweepPlace, identity
from handpose.loggers.tensorboard_log import opened_tensorboard
from handpose.loggers.wandb_log import opened_wandb

CURVES = "metrics.csv"  # in a run directory


@contextmanager
def opened_loggers(
    run_dir: Path,
    config: dict[str, Any],
    *,
    is_first: bool,
    cell: SweepPlace | None = None,
    provenance: dict[str, Any] | None = None,
) -> Iterator[list[Logger]]:
    """Open the loggers of a run, and close them after the block.

    Args:
        run_dir: of the run; each logger writes into it.
        config: resolved, in plain values; its `logger` names the loggers beside metrics.csv.
        is_first: whether this is rank 0; the others log to metrics.csv alone, which ignores them.
        cell: place of the run in a sweep or study; None for a single run.
        provenance: of the run, for W&B.
    """
    loggers: list[Logger] = [CsvLog(run_dir / CURVES)]
    chosen = config["logger"] if is_first else {}
    own = identity(config, cell)
    told = provenance or {}
    with ExitStack() as stack:
        if settings := chosen.get("wandb"):
            kept = config | {"choices": own.choices, "provenance": told}
            opened = opened_wandb(run_dir, own, config=kept, commit=told.get("commit"), **settings)
            loggers.append(stack.enter_context(opened))
        if settings := chosen.get("tensorboard"):
            loggers.append(stack.enter_context(opened_tensorboard(run_dir, own, **settings)))
        yield loggers
