"""Every flag of Lightning's Trainer is a key or refused with a reason; combinations are checked."""

import inspect
from pathlib import Path

import pytest
import pytorch_lightning as pl
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException

from handpose.config import check_command_line
from handpose.config.catalogue import CONF, Catalogue
from handpose.config.checks.composed import find_problems
from handpose.config.checks.trainer_flags import REFUSED, seconds_of
from handpose.config.renamed import with_current_names

FLAGS = "trainer.lightning."
DECLARED = set(Catalogue().content("trainer", "auto")["lightning"])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        check_command_line(list(arguments))
    return capsys.readouterr().err


def test_a_flag_is_declared_or_refused() -> None:
    known = set(inspect.signature(pl.Trainer).parameters)
    assert known == DECLARED | set(REFUSED)
    assert DECLARED.isdisjoint(REFUSED)
    assert all(
        value is None for value in Catalogue().content("trainer", "auto")["lightning"].values()
    )


@pytest.mark.parametrize("form", [FLAGS, f"+{FLAGS}", f"++{FLAGS}"])
@pytest.mark.parametrize("flag", ["use_distributed_sampler", "max_steps", "val_check_interval"])
def test_a_flag_that_breaks_a_promise_is_refused_with_the_reason(
    form: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{FLAGS}{flag}: {REFUSED[flag]}" in refusal(capsys, f"{form}{flag}=1")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("trainer.fast_dev_run=true", "set trainer=debug"),
        ("trainer.max_time=00:01:00:00", f"did you mean {FLAGS}max_time?"),
        ("trainer.gradient_clip_val=1", f"did you mean {FLAGS}gradient_clip_val?"),
        (f"{FLAGS}gradient_clip_vel=1", f"did you mean {FLAGS}gradient_clip_val?"),
        (f"{FLAGS}max_time=10h", "expected DD:HH:MM:SS"),
        (f"{FLAGS}max_time=00:00:00:00", "above 0"),
        (f"{FLAGS}limit_val_batches=0", "limit_val_batches=0: expected"),
        (f"{FLAGS}gradient_clip_algorithm=value", "has no effect without"),
        ("finetune.early_stopping.min_delta=1", "has no effect without"),
        ("finetune.early_stopping=3", "set one of them, such as finetune.early_stopping.patience"),
        ("optimizer=timm optimizer.opt=lyon", "timm has no such optimizer; did you mean lion?"),
        ("optimizer=timm optimizer.opt=adahessian", "second derivatives"),
        ("optimizer=timm optimizer.opt=lookahead_kron", "not restored exactly"),
        ("optimizer=sgd optimizer.momentum=0", "Nesterov needs"),
        (f"{FLAGS}overfit_batches=2 {FLAGS}limit_val_batches=2", "leave one out"),
        (f"{FLAGS}benchmark=true trainer.deterministic=true", "leave one out"),
    ],
)
def test_mistakes_say_what_to_write(
    argument: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(capsys, *argument.split())


def test_what_fits_is_taken() -> None:
    flags = (
        "gradient_clip_val=1",
        "max_time=00:00:10:00",
        "limit_val_batches=0.5",
        "profiler=simple",
    )
    check_command_line([*(f"{FLAGS}{flag}" for flag in flags), "optimizer=timm"])
    check_command_line(["optimizer=timm", "optimizer.opt=lookahead_AdamW"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:10:00", 600), ("01:01:01:01", 90061), ("1:2", None), ("00:00:00", None)],
)
def test_a_time_is_read_as_lightning_reads_it(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds
    if seconds is not None:
        timer = pl.callbacks.Timer(duration=text)
        assert timer.time_remaining() == seconds


def test_a_stored_run_of_the_old_key_is_known() -> None:
    before = {"trainer": {"gradient_clip_val": 2.0, "devices": 1}}
    now = with_current_names(before)
    assert now == {"trainer": {"devices": 1, "lightning": {"gradient_clip_val": 2.0}}}
    assert before["trainer"]["gradient_clip_val"] == 2.0  # not changed


def test_a_typed_key_of_a_part_that_is_null_is_still_a_mistake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = refusal(capsys, "objective=none", "objective.temperature=0.1")
    assert "objective.temperature: no such key here; it belongs to" in said


@pytest.mark.slow
def test_the_model_of_every_experiment_can_be_trained_further() -> None:
    """The overrides that the end of a run advises make a configuration without problems."""
    start = ("objective=none", "backbone.weights=null", "init_from=RUN")
    choices = [c for c in Catalogue().choices["experiment"] if not c.startswith("base_")]
    assert len(choices) > 15
    found: dict[str, list[str]] = {}
    fixed, hybrid = set(), set()
    for choice in choices:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            own = compose("config", [f"experiment={choice}"], return_hydra_config=True)
            if own.hydra.runtime.choices.head == "none":
                continue  # it has no model
            if own.hydra.runtime.choices.objective == "hybrid":
                hybrid.add(choice)
            try:
                cfg = compose("config", [f"experiment={choice}", *start])
            except ConfigCompositionException:
                fixed.add(choice)
                continue
        found[choice] = find_problems(cfg, Catalogue(), on_disk=False)
    assert {choice: problems for choice, problems in found.items() if problems} == {}
    assert fixed == hybrid  # whose runs say so in words
