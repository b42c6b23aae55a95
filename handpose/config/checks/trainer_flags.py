"""Flags of Lightning's Trainer: which are refused, and which do not fit together."""

import re

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.checks.combinations import Found, stages
from handpose.config.content import found_value

_LENGTH = (
    "a stage is pretrain.max_epochs or finetune.max_epochs long, by which its learning rate falls"
)
_EPOCHS = (
    "each epoch ends with the validation that chooses the best model and the checkpoint that a "
    "resume starts from; set pretrain.samples_per_epoch or finetune.samples_per_epoch for shorter "
    "or longer epochs"
)
# Flag -> why it is not passed on, and what to use instead.
REFUSED = {
    "accelerator": "is a key of its own: trainer.accelerator",
    "accumulate_grad_batches": "each stage has its own: pretrain.accumulate_grad_batches and "
    "finetune.accumulate_grad_batches",
    "barebones": "switches off the checkpoints that a resume needs; for a profile, set "
    "trainer.lightning.profiler",
    "callbacks": "the run has its own callbacks, which keep a resume exact; early stopping is "
    "finetune.early_stopping.patience",
    "check_val_every_n_epoch": _EPOCHS,
    "default_root_dir": "all files lie in the run directory: hydra.run.dir",
    "deterministic": "is a key of its own: trainer.deterministic",
    "devices": "is a key of its own: trainer.devices",
    "enable_autolog_hparams": "the configuration is always stored, in config.json and by loggers",
    "enable_checkpointing": "a resume needs checkpoints; to delete them at the end of a stage, set "
    "trainer.keep_checkpoints=false",
    "fast_dev_run": "leaves no checkpoints and no results; set trainer=debug",
    "limit_predict_batches": "a run predicts only to evaluate; set "
    "trainer.lightning.limit_test_batches",
    "log_every_n_steps": "is a key of its own: trainer.log_every_n_steps",
    "logger": "is a group of its own: logger=",
    "max_epochs": f"{_LENGTH}; set one of them",
    "max_steps": f"{_LENGTH}; set one of them, and samples_per_epoch for short epochs",
    "min_epochs": f"{_LENGTH}; nothing ends it before but finetune.early_stopping.patience and "
    "trainer.lightning.max_time",
    "min_steps": f"{_LENGTH}; nothing ends it before but finetune.early_stopping.patience and "
    "trainer.lightning.max_time",
    "model_registry": "uploads checkpoints to a service",
    "num_nodes": "is a key of its own: trainer.num_nodes",
    "plugins": "the run has its own plugins for checkpoints, precision and the cluster; set "
    "trainer.precision",
    "precision": "is a key of its own: trainer.precision",
    "reload_dataloaders_every_n_epochs": "batches depend on seed and epoch alone, so that a resume "
    "repeats them; there is nothing to reload",
    "strategy": "is a key of its own: trainer.strategy",
    "sync_batchnorm": "is a key of its own: trainer.sync_batchnorm",
    "use_distributed_sampler": "batches are divided among processes by the run's own sampler, so "
    "that a resume repeats them",
    "val_check_interval": _EPOCHS,
}
_PREFIX = "trainer.lightning."
_DURATION = re.compile(r"(\d+):(\d\d):(\d\d):(\d\d)")
_SECONDS = (86_400, 3_600, 60, 1)


def refused_flag(path: str) -> str | None:
    """Return why a key that does not exist is no flag of a run, or None.

    Args:
        path: dotted path, as typed; Lightning's users write `trainer.FLAG` too.
    """
    name = path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else path[len("trainer.") :]
    if not path.startswith("trainer.") or name not in REFUSED:
        return None
    return f"{path}: {REFUSED[name]}"


def seconds_of(duration: str) -> int | None:
    """Return the seconds of DD:HH:MM:SS; None if the text is something else."""
    match = _DURATION.fullmatch(duration.strip())
    return match and sum(int(n) * s for n, s in zip(match.groups(), _SECONDS, strict=True))


def duration(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse a time that is not written as Lightning's, or that leaves no step."""
    key = f"{_PREFIX}max_time"
    if not isinstance(text := found_value(cfg, key), str) or seconds_of(text):
        return []
    return [f"{key}={text}: expected DD:HH:MM:SS above 0, such as 00:12:00:00 for twelve hours"]


def flags_that_fit(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse flags that contradict each other or have no effect."""
    given = found_value(cfg, "trainer.lightning") or {}
    problems = []
    if given.get("gradient_clip_algorithm") and given.get("gradient_clip_val") is None:
        problems.append(
            f"{_PREFIX}gradient_clip_algorithm: has no effect without {_PREFIX}gradient_clip_val"
        )
    for name in ("limit_train_batches", "limit_val_batches"):
        if given.get("overfit_batches") is not None and given.get(name) is not None:
            problems.append(f"{_PREFIX}{name}: is set by {_PREFIX}overfit_batches; leave one out")
    if given.get("benchmark") and cfg.trainer.deterministic:
        problems.append(
            f"{_PREFIX}benchmark=true: contradicts trainer.deterministic=true; leave one out"
        )
    return problems


def early_stopping(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse the smallest improvement of an early stopping that is off."""
    key = "finetune.early_stopping"
    has_effect = found_value(cfg, f"{key}.patience") or not found_value(cfg, f"{key}.min_delta")
    if has_effect or "finetune" not in stages(cfg):
        return []
    return [f"{key}.min_delta: has no effect without {key}.patience; set it"]
