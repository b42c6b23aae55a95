"""Flags of Lightning's Trainer in `trainer.lightning`: which trainer gets which, and in what form.

`overfit_batches`, `limit_*_batches` and `max_time` are carried out by the run itself, together with
`trainer.caps` and resuming; the trainer gets numbers of batches.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler

from handpose.config.checks.trainer_flags import seconds_of
from handpose.pipeline.parts import build_caps, capped

_ALL = ("benchmark", "inference_mode")
_TRAINING = (
    *("gradient_clip_val", "gradient_clip_algorithm", "detect_anomaly"),
    *("num_sanity_val_steps", "enable_model_summary"),
)
_OUR_DEFAULTS = {"num_sanity_val_steps": 0, "enable_model_summary": False}
_PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler}
PROFILE = "profile"


def passed_on(cfg: DictConfig, *, trains: bool) -> dict[str, Any]:
    """Return the arguments of Lightning's trainer that are set.

    Args:
        cfg: configuration of the run.
        trains: whether the trainer trains, rather than evaluates.
    """
    flags = cfg.trainer.lightning
    names = (*_ALL, *_TRAINING) if trains else _ALL
    return _OUR_DEFAULTS | {name: flags[name] for name in names if flags[name] is not None}


def training_batches(cfg: DictConfig, batches: int) -> int:
    """Return the batches of an epoch.

    Args:
        cfg: configuration of the run.
        batches: of the loader.
    """
    flags = cfg.trainer.lightning
    return _limited(cfg, batches, flags.overfit_batches or flags.limit_train_batches)


def validation_batches(cfg: DictConfig, batches: int) -> int:
    """Return the batches of a validation.

    Args:
        cfg: configuration of the run.
        batches: of the loader.
    """
    flags = cfg.trainer.lightning
    return _limited(cfg, batches, flags.overfit_batches or flags.limit_val_batches)


def evaluated_hands(cfg: DictConfig, hands: int) -> int:
    """Return the hands that the evaluation at the end of a run measures.

    Args:
        cfg: configuration of the run.
        hands: of the evaluated split.
    """
    size = capped(cfg.evaluate.batch_size, build_caps(cfg).batch_size)
    limit = cfg.trainer.lightning.limit_test_batches
    return hands if limit is None else min(hands, size * _part(-(-hands // size), limit))


def _limited(cfg: DictConfig, batches: int, limit: int | float | None) -> int:
    return capped(batches if limit is None else _part(batches, limit), build_caps(cfg).batches)


def _part(batches: int, limit: int | float) -> int:
    """Return the number of batches under a limit: a fraction is a float, as in Lightning."""
    return max(1, int(batches * limit)) if isinstance(limit, float) else min(batches, limit)


def max_seconds(cfg: DictConfig) -> int | None:
    """Return the time of training of each stage in seconds; None for no limit."""
    text = cfg.trainer.lightning.max_time
    return None if text is None else seconds_of(text)


def profiler(cfg: DictConfig, run_dir: Path, stage: str) -> Profiler | None:
    """Return the profiler of a training stage, which writes to the run directory; None for none.

    Args:
        cfg: configuration of the run.
        run_dir: of the run.
        stage: "pretrain" or "finetune", part of the file's name.
    """
    kind = cfg.trainer.lightning.profiler
    return kind and _PROFILERS[kind](dirpath=run_dir / PROFILE, filename=stage)
