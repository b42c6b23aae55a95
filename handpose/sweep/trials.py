"""The trials of an adaptive sweep: an Optuna study in the sweep's folder, resumed if it exists.

The study is a journal file, which also works on network file systems. Its name is a digest of the
command's search space, fixed values and metric, so another command begins another study.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from hydra.core.override_parser.types import Override

from handpose.config.errors import UserError
from handpose.config.stored import is_free
from handpose.sweep.metric import Direction
from handpose.sweep.search_space import as_overrides, distribution

if TYPE_CHECKING:
    import optuna

JOURNAL = "study.journal"
_LOCK = ".study.lock"
_INTERRUPTED = "interrupted"
_SAMPLERS = {
    "tpe": ("TPESampler", {}),
    "gp": ("GPSampler", {}),
    "cmaes": ("CmaEsSampler", {"warn_independent_sampling": False}),
    "random": ("RandomSampler", {}),
}


class Trials:
    """Suggests trials and records their values.

    Args:
        folder: of the sweep; holds the journal.
        overrides: of the command; those with several values are the search space.
        metric: that the study is about, for its name.
        direction: which way the metric is better.
        sampler: "tpe", "gp", "cmaes" or "random".
        seed: of the sampler; None for a random one.
    """

    def __init__(
        self,
        folder: Path,
        overrides: Sequence[Override],
        *,
        metric: str | None,
        direction: Direction,
        sampler: str,
        seed: int | None,
    ) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        swept = [o for o in overrides if o.is_sweep_override()]
        self.fixed = tuple(str(o.input_line) for o in overrides if not o.is_sweep_override())
        self.space = {o.get_key_element(): distribution(o) for o in swept}
        self._sampler, self._seed = sampler, seed
        self._study = optuna.create_study(
            study_name=study_name(overrides, metric),
            storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
            direction=direction,
            load_if_exists=True,
        )

    def known(self) -> list[tuple[str, ...]]:
        """Return the overrides of all trials so far that were suggested, each once, in order."""
        found = [self.overrides(trial) for trial in self._study.trials if trial.params]
        return list(dict.fromkeys(found))

    def overrides(self, trial: Any) -> tuple[str, ...]:
        """Return the overrides of a trial: its suggested values, then the fixed ones."""
        return (*as_overrides(trial.params, self.space), *self.fixed)

    def ask(self) -> "optuna.Trial":
        """Suggest a trial. The random state depends on the number of ended trials only.

        So a resumed study suggests what it would have suggested without the interruption.
        """
        ended = [t for t in self._study.trials if _INTERRUPTED not in t.user_attrs]
        self._study.sampler = _sampler(self._sampler, self._seed, len(ended))
        return self._study.ask(self.space)

    def tell(self, trial: "optuna.Trial", value: float | None) -> None:
        """Record the value of a trial.

        Args:
            trial: from `ask`.
            value: of the metric; None for a failed trial, which the sampler ignores.
        """
        from optuna.trial import TrialState

        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        self._study.tell(trial, value, state=state)

    def best(self) -> tuple[tuple[str, ...], float] | None:
        """Return the overrides and the value of the best trial; None if no trial has a value."""
        if not self._of_state("COMPLETE"):
            return None
        trial = self._study.best_trial
        return as_overrides(trial.params, self.space), float(trial.value or 0.0)

    def recover(self, is_finished: Callable[[tuple[str, ...]], bool]) -> int:
        """Queue again what an earlier call left without a value; return the number of the others.

        Args:
            is_finished: whether the cell of a trial's overrides has results.
        """
        from optuna.trial import TrialState

        for trial in self._of_state("RUNNING"):  # of a killed process
            self._study._storage.set_trial_user_attr(trial._trial_id, _INTERRUPTED, True)
            self._study.tell(trial.number, state=TrialState.FAIL)
        complete = [t for t in self._of_state("COMPLETE") if is_finished(self.overrides(t))]
        known = [trial.params for trial in complete]
        known += [trial.system_attrs.get("fixed_params") for trial in self._of_state("WAITING")]
        for trial in self._study.trials:
            if trial.params and trial.params not in known:
                self._study.enqueue_trial(trial.params)
                known.append(trial.params)
        return len(complete)

    def _of_state(self, name: str) -> list[Any]:
        return [trial for trial in self._study.trials if trial.state.name == name]


@contextmanager
def one_driver(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder for this process.

    Raises:
        UserError: another process runs the sweep.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UserError(
            f"{folder} is in use by a live sweep. Wait for it, or choose another sweep=NAME"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _sampler(name: str, seed: int | None, number: int) -> Any:
    import optuna

    kind, settings = _SAMPLERS[name]
    own = None if seed is None else (seed + number) % 2**32
    return getattr(optuna.samplers, kind)(seed=own, **settings)


def study_name(overrides: Sequence[Override], metric: str | None) -> str:
    """Return the name of a study; keys that do not change results do not count.

    Args:
        overrides: of the command and of `hydra.sweeper.params`.
        metric: `sweep_metric`.
    """
    lines = sorted(str(o.input_line) for o in overrides if not is_free(o.key_or_group))
    return hashlib.sha256(json.dumps([lines, metric]).encode()).hexdigest()[:16]
