"""Checks of a composed configuration."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from handpose.config.backbone import backbone_problems
from handpose.config.catalogue import CONF, Catalogue
from handpose.config.decoder import decoder_problems
from handpose.config.folders import folder_problems, stages
from handpose.config.keys import unknown_keys
from handpose.config.labels import labels_problems
from handpose.config.optimizers import optimizer_problems
from handpose.config.parts import parts_problems
from handpose.config.processes import launch_problems, processes_problems
from handpose.config.refusal import refuse
from handpose.config.resources import resource_problems
from handpose.config.secrets import value_problem
from handpose.config.targets import target_problems
from handpose.config.tracking import wandb_problems
from handpose.config.tree import leaves, lookup
from handpose.config.values import PLACES, found_value, value_problems


def check(cfg: DictConfig) -> None:
    """Refuses a configuration that cannot run: prints all its problems, and exits with 1."""
    problems = find_problems(cfg, Catalogue(_roots())) or launch_problems(cfg)
    if problems:
        refuse(problems)


def _roots() -> tuple[Path, ...]:
    """conf/ and the folders that Hydra was given beside it."""
    sources = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else []
    files = [Path(source.path) for source in sources if source.schema == "file"]
    return (CONF, *(file for file in files if file.resolve() != CONF))


def as_written(cfg: DictConfig) -> dict[str, Any]:
    """A configuration as plain dicts, references left as they are, without Hydra's own part."""
    content: Any = OmegaConf.to_container(cfg, resolve=False)
    return {str(key): value for key, value in content.items() if key != "hydra"}


def find_problems(
    cfg: DictConfig, catalogue: Catalogue, *, on_disk: bool = True, is_trained: bool = True
) -> list[str]:
    """All that is wrong with a composed configuration, in the order of its keys.

    Args:
        cfg, catalogue: what is checked, and what there is.
        on_disk: whether its data and folders have to be there.
        is_trained: whether a training follows, which needs more than its evaluation.
    """
    content = as_written(cfg)
    if secrets := _secrets(cfg, content):
        return secrets  # whatever else there is to say might quote them
    root = catalogue.tree(content)
    problems = target_problems(cfg, content) + _part_problems(content, catalogue)
    problems += unknown_keys(content, root, catalogue)
    values = value_problems(cfg, content, root, catalogue)
    problems += values
    problems += [] if values else processes_problems(cfg, content)
    problems += [] if values else optimizer_problems(cfg, content)
    problems += parts_problems(cfg, catalogue) + backbone_problems(cfg, catalogue)
    problems += [] if values else decoder_problems(cfg)
    told = {problem.partition("=")[0] for problem in problems}
    missing = folder_problems(cfg, content, catalogue) if on_disk else []
    problems += [problem for problem in missing if problem.partition("=")[0] not in told]
    problems += labels_problems(cfg, content)
    if not stages(content):
        problems.append(
            "objective=none head=none: nothing to do; choose an objective, a head, or both"
        )
    if not on_disk or not is_trained:
        return problems
    return (problems or resource_problems(cfg, content)) + wandb_problems(cfg)


def _secrets(cfg: DictConfig, content: dict[str, Any]) -> list[str]:
    """A problem for each value that is a secret, in what a run keeps and in where it keeps it."""
    written = [*leaves(content), *((path, "") for path in PLACES)]
    problems = [value_problem(path, str(v), str(found_value(cfg, path))) for path, v in written]
    return [problem for problem in problems if problem]


def _part_problems(content: dict[str, Any], catalogue: Catalogue) -> list[str]:
    """Parts that are set key by key, where a choice is needed."""
    return [
        f"{slot}: keys without a choice ({', '.join(part)}); choose {group}@{slot}=CHOICE first"
        for slot, group in catalogue.slots.items()
        if isinstance(part := lookup(content, slot), dict)
        and "_target_" not in part
        and catalogue.has_targets(group)
    ]
