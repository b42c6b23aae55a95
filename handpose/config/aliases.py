"""Names that other projects use: what they are called here, or that they are not here."""

import re
from collections.abc import Sequence

_NOT_YET = "no reader yet; dataset=manifest takes any labelled images (docs/guide/data.md)"
_OF_TORCH = "no file yet; optimizer._target_=torch.optim.CLASS takes any optimizer of torch"
# Group -> other names, each without - and _ -> the choice here, or what to say.
_CHOICES: dict[str, dict[str, str]] = {
    "objective": dict.fromkeys(("simclr", "ntxent", "invariant"), "contrastive")
    | dict.fromkeys(("peclr", "equivariance"), "equivariant")
    | dict.fromkeys(("supervised", "baseline", "scratch"), "none"),
    "backbone": {"hrnet": "hrnet_w18"}
    | {f"{short}{depth}": f"resnet{depth}" for short in ("r", "rn") for depth in (18, 34, 50, 101)},
    "dataset": dict.fromkeys(("interhand2.6m", "interhand26m"), "interhand")
    | dict.fromkeys(("panoptic", "cmu"), "mpii")
    | dict.fromkeys(("images", "imagefolder", "unlabelled"), "folder")
    | dict.fromkeys(("dexycb", "ho3d", "coco", "rhd", "assemblyhands", "h2o", "arctic"), _NOT_YET),
    "head": dict.fromkeys(("linear", "mlp"), "regression"),
    "optimizer": dict.fromkeys(("sgd", "lamb", "rmsprop"), _OF_TORCH),
    "logger": {"none": "csv", "wb": "wandb"},
    "trainer": {"cuda": "gpu", "fast": "debug"},
}
# Another name of a key or a group -> the key here.
_KEYS = {
    "learning_rate": "optimizer.lr",
    "gpus": "trainer.devices",
    "workers": "trainer.num_workers",
    "model": "backbone",
    "data_dir": "paths.data",
    "output_dir": "hydra.run.dir",
    "pretrained": "backbone.weights",
    "resume": "hydra.run.dir",
}


def known_choice(group: str, name: str, choices: Sequence[str]) -> str | None:
    """The choice that a name of other projects stands for, or what to say of it; else None."""
    plain = _plain(name)
    same = {_plain(choice): choice for choice in choices}
    return same.get(plain) or _CHOICES.get(group, {}).get(plain)


def known_key(name: str) -> str | None:
    """The key that a name of other projects stands for."""
    return _KEYS.get(name)


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())
