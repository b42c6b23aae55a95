"""A configuration that was stored, held against today's: what counts as another one."""

import copy
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from handpose.config.catalogue import CONF, Catalogue
from handpose.config.content import has, leaves, lookup
from handpose.config.schema import register
from handpose.config.stored import _free_keys, changes, compare, up_to_date


def config(*overrides: str) -> dict[str, Any]:
    """What train.py keeps of a run."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        whole: Any = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    return whole


def without(config: dict[str, Any], path: str) -> dict[str, Any]:
    """The configuration of a version that did not have the key yet."""
    old = copy.deepcopy(config)
    parent, _, key = path.rpartition(".")
    del (lookup(old, parent) if parent else old)[key]
    return old


def test_what_does_not_change_the_result_may_change() -> None:
    other = config(
        *("trainer.num_workers=3", "trainer.checkpoint_every_n_steps=7", "report=false"),
        *("trainer.keep_checkpoints=false", "logger=wandb_offline", "trainer.max_unreadable=1"),
    )
    assert changes(config(), other) == []
    assert changes(config(), config("trainer.precision=bf16-mixed", "seed=6")) == [
        "seed: 5 -> 6",
        "trainer.precision: auto -> bf16-mixed",
    ]


def test_every_key_that_is_free_is_one() -> None:
    keys, tree = _free_keys(), Catalogue().whole_tree
    assert {"sweep", "paths.data", "logger.wandb", "pretrain.share", "trainer.num_workers"} <= set(
        keys
    )
    assert [key for key in keys if not has(tree, key)] == []


def test_a_run_resumes_with_other_loggers_than_it_began_with() -> None:
    now = config("logger=[wandb_offline,tensorboard]")
    kept = dict.fromkeys(("entity", "name")) | {"group": "sweep", "job_type": "train", "tags": []}
    for before in ({"wandb": None}, {"wandb": {"mode": "online", "project": "handpose"} | kept}):
        assert changes(config() | {"logger": before}, now) == []
        assert changes(now, config() | {"logger": before}) == []


def test_data_may_have_moved_with_their_folder_and_not_by_themselves() -> None:
    old = config("dataset=freihand", "paths.data=/old")
    assert changes(old, config("dataset=freihand", "paths.data=/new/disk")) == []
    by_itself = config("dataset=freihand", "paths.data=/old", "dataset.root=/old2/freihand")
    assert {line.partition(":")[0] for line in changes(old, by_itself)} == {
        *("dataset.root", "pretrain.dataset.root", "finetune.dataset.root")
    }


@pytest.mark.parametrize(
    "overrides",
    [
        ("objective=hybrid", "head=regression", "trainer=debug", "augment=none"),
        ("dataset=mix", "augment=supervised", "logger=wandb_offline", "optimizer=lars"),
    ],
)
def test_any_key_may_be_new_since_then(overrides: tuple[str, ...]) -> None:
    """Left out of what was stored, it counts as the default of the choice at hand.

    But for what tells a choice from the others. Every sixth key, for time.
    """
    now, told = config(*overrides), ("paths.data", "paths.cache", "paths.runs", "backbone.name")
    keys = [key for key, _ in leaves(now) if not key.endswith("_target_") and key not in told]
    assert [key for key in keys[::6] if changes(without(now, key), now)] == []


def test_a_new_key_counts_as_what_the_code_did_before_it() -> None:
    """augment=paper now turns the noise one-sided; a run of before it had that of both signs."""
    words = {
        "shift_along": "source -> view",
        "noise": "symmetric -> one_sided",
        "cut_out_at": "anywhere -> joint",
        "cut_out_fill": "black -> grey",
    }
    for choice, lines in (("full", []), ("paper", [f"augment.{k}: {v}" for k, v in words.items()])):
        now = config(f"augment={choice}")
        old = copy.deepcopy(now)
        for key in words:
            del old["augment"][key]
        assert set(changes(old, now)) == set(lines)


@pytest.mark.parametrize(
    ("path", "override", "change"),
    [
        ("pretrain.batch_size", "pretrain.batch_size=8", "pretrain.batch_size: 16 -> 8"),
        ("augment.rotate", "augment.rotate=true", "augment.rotate: False -> True"),
        ("init_from", "init_from=RUN", "init_from: None -> RUN"),
    ],
)
def test_set_to_another_value_a_new_key_counts(path: str, override: str, change: str) -> None:
    """augment.rotate is true in other choices, and false in the one that was stored."""
    old = without(config("augment=none"), path)
    assert change in changes(old, config("augment=none", override))


def test_a_key_that_is_no_more_counts_only_beside_others() -> None:
    old = config() | {"gone": 3}
    assert changes(old, config()) == []
    assert changes(old, config("seed=6")) == ["gone: 3 -> absent", "seed: 5 -> 6"]


def test_another_choice_is_another_configuration() -> None:
    assert "head._target_" in str(changes(config(), config("head=regression")))
    assert "trainer.caps" in str(changes(config("trainer=debug"), config("trainer=cpu")))


def test_what_is_filled_in_is_resolved() -> None:
    now = config("dataset=freihand", "paths.data=/a")
    old = without(now, "dataset.root")
    assert up_to_date(old, Catalogue())["dataset"]["root"] == "/a/freihand"
    assert compare(up_to_date(now, Catalogue()), now) == []


def test_auto_is_whatever_the_run_made_of_it() -> None:
    started = config("trainer.precision=bf16-mixed", "trainer.augment_on=device")
    started["trainer"]["channels_last"] = True
    assert changes(started, config()) == []
    assert changes(started, config("trainer.precision=32-true")) == [
        "trainer.precision: bf16-mixed -> 32-true"
    ]
