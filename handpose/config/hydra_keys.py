"""Hydra's own keys and groups: of a wrong one Hydra does not say which was meant, or it passes."""

from collections.abc import Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from handpose.config.composer import Composer
from handpose.config.keys import spelled_like
from handpose.config.overrides import is_hydra, named_choices, no_such_choice
from handpose.config.refusal import did_you_mean, nearest
from handpose.config.tree import Node

_OPEN = ("hydra.callbacks",)  # has names of anyone's choice
_PARAMS = "hydra.sweeper.params"


def hydra_problems(
    overrides: Sequence[Override], composer: Composer
) -> tuple[list[Override], list[str]]:
    """The overrides that may be right, and a problem for each of Hydra's own that is not."""
    own = [override for override in overrides if is_hydra(override)]
    found = {id(o): _group_problems(o) for o in own if "/" in o.key_or_group}
    found |= {id(o): [_params_problem(o)] for o in own if o.key_or_group.startswith(_PARAMS)}
    keys = [override for override in own if id(override) not in found]
    if keys:
        cfg = composer.chosen([o for o in own if id(o) in found and not found[id(o)]])
        found |= {id(override): _key_problems(override, cfg) for override in keys}
    right = [override for override in overrides if not found.get(id(override))]
    return right, [problem for problems in found.values() for problem in problems]


def _params_problem(override: Override) -> str:
    return (
        f"{override.input_line}: on the command line the values of a sweep are written "
        f"KEY=VALUE,VALUE; {_PARAMS} is for files"
    )


def _group_problems(override: Override) -> list[str]:
    """What is wrong with `hydra/GROUP=CHOICE`."""
    loader, shown = GlobalHydra.instance().config_loader(), override.get_key_element()
    groups = [f"hydra/{name}" for name in loader.list_groups("hydra")]
    group = override.key_or_group
    if group not in groups:
        return [f"{override.input_line}: no such group{did_you_mean(nearest(group, groups))}"]
    choices = loader.get_group_options(group)
    return [
        f"{shown}={choice}: {no_such_choice(choice, choices)}"
        for choice in named_choices(override)
        if choice not in choices
    ]


def _key_problems(override: Override, cfg: DictConfig | str) -> list[str]:
    """What is wrong with `hydra.KEY=VALUE`."""
    if isinstance(cfg, str):
        return []
    content: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, "hydra"), resolve=False)
    root = Node.of(content)
    node, names = root, override.key_or_group.split(".")
    for place, name in enumerate(names):
        # anything may be set here, as in hydra.job.env_set
        if not node.children or ".".join(names[:place]) in _OPEN:
            return []
        if name not in node.children:
            near = did_you_mean(spelled_like(names, root))
            return [f"{override.key_or_group}: no such key of Hydra's{near}"]
        node = node.children[name]
    return []
