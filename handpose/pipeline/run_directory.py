"""Claim a run directory for one run, and resume it only with the same configuration."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from handpose.config.renamed import with_current_names
from handpose.config.stored import changes
from handpose.files import LARGEST_TEXT, regular, replacing
from handpose.pipeline.resume import begun_by, how_to_resume, how_to_train_on

_log = logging.getLogger(__name__)

CONFIG = "config.json"
RESULTS = "results.json"
FAILURE = "failure.txt"  # of a cell of a sweep
BACKBONE = "backbone.pt"
MODEL = "model.pt"
EVALUATIONS = "evaluations"
UNREADABLE = "unreadable.csv"
CUT = "cut.json"
_NAME_ONE = "name the directory that a training prints at its end, such as runs/DATE/TIME-ID"


class RunRefused(SystemExit):
    """Exit with code 1: the run directory cannot be used."""

    resumable = False  # the same command would fail again


@contextmanager
def claim(run_dir: Path, config: dict[str, Any]) -> Iterator[None]:
    """Lock `run_dir` for all processes of this run and store `config` in it.

    Args:
        run_dir: created if missing.
        config: resolved configuration in plain values.

    Raises:
        RunRefused: another live run uses it, it has another configuration, or the processes of
            this run have different directories.
        ValueError: it was deleted during the run.
    """
    from handpose.distributed import collectives

    folders = sorted(set(collectives.everyones(str(run_dir))))
    if len(folders) > 1:
        raise RunRefused(
            f"the processes of the run have different directories, {' and '.join(folders)}. Give "
            "all of them the same hydra.run.dir"
        )
    lock = FileLock(run_dir / ".lock")
    try:
        collectives.decided(lambda: _hold(run_dir, config, lock))
        yield
        _refuse_if_deleted(run_dir)
    except OSError:
        _refuse_if_deleted(run_dir)
        raise
    finally:
        lock.release()


def _refuse_if_deleted(run_dir: Path) -> None:
    """Raise ValueError if the directory was deleted or moved during the run."""
    if not (run_dir / CONFIG).exists():
        raise ValueError(f"{run_dir}: deleted or moved while the run used it. Start it again")


def _hold(run_dir: Path, config: dict[str, Any], lock: FileLock) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise RunRefused(
            f"{run_dir} is in use by a live run. Wait for it, or choose another hydra.run.dir."
        ) from None
    _keep_config(run_dir / CONFIG, config)


def finished_config(run_dir: Path) -> dict[str, Any]:
    """Read the configuration of a finished run that has a model.

    Raises:
        RunRefused: the run is missing or unfinished, or has no model.
    """
    path = run_dir / CONFIG
    if not path.is_file():
        what = f"no such run; {_NAME_ONE}"
        if run_dir.is_dir():
            what = f"not a run directory: no {CONFIG}; {_NAME_ONE}"
        elif run_dir.is_file():
            what = f"is a file; name its run directory, {run_dir.parent}"
        raise RunRefused(f"{run_dir}: {what}")
    if not (run_dir / RESULTS).is_file():
        raise RunRefused(
            f"{run_dir}: not finished, no {RESULTS}. To resume it, run: {begun_by(run_dir)}"
        )
    if not (run_dir / MODEL).is_file():
        raise RunRefused(f"{run_dir}: no {MODEL}. A run with head=none has no pose model")
    try:
        return read_config(run_dir)
    except ValueError as error:
        raise RunRefused(str(error)) from None


def _keep_config(path: Path, config: dict[str, Any]) -> None:
    if not path.exists():
        write_json(path, config)
        return
    before = read_config(path.parent)
    if differences := changes(before, config):
        lines = "\n".join(f"  {line}" for line in differences)
        raise RunRefused(
            f"{path.parent} was started with another configuration:\n{lines}\n"
            f"{_way_on(path.parent, config, differences)}\n"
            "Or choose another hydra.run.dir for a new run."
        )


def _way_on(run_dir: Path, config: dict[str, Any], differences: list[str]) -> str:
    """Return what to do with a run whose configuration differs from `config`.

    Args:
        run_dir: of the run.
        config: of this process.
        differences: "key: before -> now".
    """
    if not (run_dir / RESULTS).exists():
        return (
            f"{how_to_resume(begun_by(run_dir))}\n"
            "If that differs too, a default has changed since. For each line above, add KEY=VALUE "
            "with the value before the arrow."
        )
    has_model = (run_dir / MODEL).exists() and config["head"].get("_target_")
    has_encoder = (run_dir / BACKBONE).exists() and config["objective"].get("_target_")
    is_pretraining = any(line.startswith("pretrain.") for line in differences)
    model = run_dir if has_model else None
    encoder = run_dir / BACKBONE if has_encoder and (is_pretraining or not has_model) else None
    return f"It is finished. {how_to_train_on(model=model, encoder=encoder)}".strip()


def read_config(run_dir: Path) -> dict[str, Any]:
    """Read a run's configuration, with old key names renamed.

    Raises:
        ValueError: the file is missing or corrupt; names it.
    """
    return with_current_names(read_json(run_dir / CONFIG))


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that `write_json` wrote.

    Raises:
        ValueError: the file is missing or corrupt; names it.
    """
    try:
        return dict(json.loads(regular(path, most=LARGEST_TEXT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: cannot be read ({error}). Restore it, or start a run in a new directory"
        ) from None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically; NaN raises ValueError, since JSON has none.

    Args:
        path: replaced if it exists.
        content: plain values.
    """
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False))
