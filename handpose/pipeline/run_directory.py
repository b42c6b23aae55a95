"""The run directory: claimed by one process, resumed with the same configuration only."""

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
from handpose.pipeline.resume import begun_by, further_command, how_to_resume

_log = logging.getLogger(__name__)

CONFIG = "config.json"
RESULTS = "results.json"
MODEL = "model.pt"
EVALUATIONS = "evaluations"
UNREADABLE = "unreadable.csv"
CUT = "cut.json"


class RunRefused(SystemExit):
    """The directory cannot be used; exits 1 with the reason on stderr."""

    resumable = False  # not by this command


@contextmanager
def claim(run_dir: Path, config: dict[str, Any]) -> Iterator[None]:
    """Holds `run_dir` for this process, or for all of the run's, and keeps `config` in it.

    Raises:
        RunRefused: another live run holds it, it was begun with another configuration, or the
            processes of this one do not agree on it.
        ValueError: it was deleted meanwhile.
    """
    from handpose.distributed import collectives

    folders = sorted(set(collectives.everyones(str(run_dir))))
    if len(folders) > 1:
        raise RunRefused(
            f"the processes of the run have different directories, {' and '.join(folders)}; give "
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
    """Raises ValueError where somebody deleted or moved the directory of this live run."""
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
    """The configuration of a finished run that has a model.

    Raises:
        RunRefused: there is no such run, it is not finished, or it has no model.
    """
    path = run_dir / CONFIG
    if not path.is_file():
        what = "not a run directory, without config.json" if run_dir.is_dir() else "no such run"
        raise RunRefused(f"{run_dir}: {what}")
    if not (run_dir / RESULTS).is_file():
        raise RunRefused(
            f"{run_dir}: not finished, without {RESULTS}; to resume it, run: {begun_by(run_dir)}"
        )
    if not (run_dir / MODEL).is_file():
        raise RunRefused(f"{run_dir}: without {MODEL}; with head=none a run has no pose model")
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
            f"{path.parent} was begun with another configuration:\n{lines}\n"
            f"{_way_on(path.parent, config)}\nOr choose another hydra.run.dir for a new run."
        )


def _way_on(run_dir: Path, config: dict[str, Any]) -> str:
    """What to type, where a run was begun with another configuration than `config`."""
    if not (run_dir / RESULTS).exists():
        return (
            f"{how_to_resume(begun_by(run_dir))}\n"
            "If that differs too, a default has changed since: add KEY=VALUE with the value before "
            "the arrow, for each line above."
        )
    if not (run_dir / MODEL).exists() or not config["head"].get("_target_"):
        return "It is finished."
    return (
        "It is finished. To train its model further, in a new run whose learning rate schedule "
        f"begins anew, run\n\n  {further_command(run_dir)}\n"
    )


def read_config(run_dir: Path) -> dict[str, Any]:
    """The configuration that a run was begun with, maybe by an older version.

    Raises:
        ValueError: its file is missing or corrupt; names it.
    """
    return with_current_names(read_json(run_dir / CONFIG))


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        ValueError: it is corrupt; names the file.
    """
    try:
        return dict(json.loads(regular(path, most=LARGEST_TEXT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: cannot be read ({error}). Restore it, or start a run in a new directory"
        ) from None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all; NaN is refused, since JSON has none."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False))
