"""Weights of both training stages: write those at the end, start from those of `init_from`."""

import shutil
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import nn

from handpose.backbones.base import Backbone
from handpose.config.checks.folders import model_file
from handpose.config.renamed import PROVENANCE
from handpose.distributed import collectives
from handpose.evaluation.evaluation import Results
from handpose.model import has_scale
from handpose.pipeline.stages.fit import StageContext
from handpose.weights import torch_file
from handpose.weights.load import describe_misfit


def save_weights(
    context: StageContext,
    path: Path,
    content: dict[str, Any],
    results: Results,
    *,
    backbone: Backbone,
    checkpoints: Path,
    encoder: dict[str, Any] | None = None,
) -> None:
    """Write the result of a stage; delete its checkpoints unless `trainer.keep_checkpoints`.

    Args:
        context: of the run.
        path: weights file; it marks the end of the stage.
        content: entries of the file.
        results: stored as its metadata.
        backbone: of the weights.
        checkpoints: folder to delete.
        encoder: provenance of an encoder that another run has trained; None if this one has.
    """
    collectives.wait()  # until no rank reads the checkpoints

    def save() -> None:
        content["meta"] = describe_weights(context, results, backbone, encoder=encoder)
        torch_file.save(torch_file.versioned(content), path)
        if not context.cfg.trainer.keep_checkpoints:
            shutil.rmtree(checkpoints, ignore_errors=True)

    collectives.decided(save)


def describe_weights(
    context: StageContext,
    results: Results,
    backbone: Backbone,
    *,
    encoder: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the metadata of a weights file in plain values.

    Args:
        context: of the run.
        results: of the stage.
        backbone: of the weights.
        encoder: provenance of an encoder that another run has trained; None if this one has.
    """
    cfg, session = context.cfg, context.session
    found: dict[str, Any] = {}
    if session is not None:
        session.took(results)
        shared = {} if encoder is None else {"encoder": encoder}
        found[PROVENANCE] = session.block() | shared
    return found | {
        "backbone": cfg.backbone.name,
        "objective": cfg.objective.get("_target_"),
        "head": cfg.head.get("_target_"),
        "seed": cfg.seed,
        "results": results,
        **backbone.statistics,
    }


def start_from_model(
    cfg: DictConfig, module: nn.Module, backbone: Backbone, *, part: str = ""
) -> None:
    """Load the model of `init_from` into `module`, completely or not at all; no-op without one.

    Args:
        cfg: configuration of the run.
        module: changed in place.
        backbone: `module`, or a part of it.
        part: prefix of the module in the whole model, such as "backbone."; empty for the whole.

    Raises:
        ValueError: the file is unreadable, does not fit or is not finite; names the first tensors.
    """
    if cfg.init_from is None:
        return
    content = torch_file.load(model_file(cfg.init_from))
    state = content["state_dict"]
    state = {name.removeprefix(part): v for name, v in state.items() if name.startswith(part)}
    own = module.state_dict()
    state = {name: own[name] for name in own if has_scale([name])} | state  # older ones lack it
    if misfit := describe_misfit(own, state, naming="a model of this program"):
        raise ValueError(f"init_from={cfg.init_from} does not fit{misfit}")
    module.load_state_dict(state)
    backbone.take_statistics(content.get("meta", {}))
