"""What lies in a run directory, and when it is resumed, refused or left alone."""

import json
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from filelock import FileLock

from handpose.pipeline.run_directory import RunRefused

FILES = ("results.json", "report.html", "backbone.pt", "model.pt", "metrics.csv", "checkpoints")


def test_a_run_leaves_its_files_and_repeated_does_nothing(
    train: Callable[..., Path], capsys: pytest.CaptureFixture
) -> None:
    settings = ("head=regression", "trainer.keep_checkpoints=true", "report=true")
    run_dir = train(*settings)
    assert all((run_dir / name).exists() for name in (*FILES, ".hydra/config.yaml"))
    before = {path: path.stat().st_mtime_ns for path in run_dir.glob("*.pt")}
    start = time.monotonic()
    train(*settings)
    assert time.monotonic() - start < 5
    assert {path: path.stat().st_mtime_ns for path in run_dir.glob("*.pt")} == before
    assert "pa_epe_mm" in capsys.readouterr().out

    results = json.loads((run_dir / "results.json").read_text())
    page = (run_dir / "report.html").read_text()
    assert f"{results['pa_epe_mm']}" in page
    with pytest.raises(RunRefused, match=r"seed: 5 -> 6"):
        train(*settings, "seed=6")


def test_a_finished_run_is_trained_further_by_the_command_that_the_refusal_says(
    train: Callable[..., Path],
) -> None:
    """A new run from its model; without a learning rate that model is what it ends with."""
    still = ("finetune.optimizer.lr=1e-30", "finetune.optimizer.weight_decay=0")
    still = ("optimizer@finetune.optimizer=adamw", *still)
    first = train("head=regression", *still, "pretrain.max_epochs=2")
    begun = json.loads((first / "config.json").read_text())
    train("head=regression", *still, "pretrain.max_epochs=2", "trainer.num_workers=1")
    assert json.loads((first / "config.json").read_text()) == begun  # finished, and left alone
    with pytest.raises(RunRefused, match=r"finetune\.max_epochs: 4 -> 20") as refused:
        train("head=regression", *still, "pretrain.max_epochs=2", "finetune.max_epochs=20")
    (command,) = re.findall(r"^  (\S*python.*train\.py.*)$", str(refused.value), re.M)
    arguments = shlex.split(command)[2:]
    assert arguments[-3:] == ["objective=none", "backbone.weights=null", f"init_from={first}"]
    further = train(*arguments, name="further")
    weights = [torch.load(run / "model.pt", weights_only=True) for run in (first, further)]
    before, after = (content["state_dict"] for content in weights)
    learned = [name for name in before if re.match(r"head\..*(weight|bias)$", name)]
    assert len(learned) >= 4
    assert all(torch.allclose(before[k], after[k], rtol=0, atol=1e-20) for k in learned)
    start = torch.load(further / "backbone.pt", weights_only=True)["state_dict"]
    prefix = "backbone.network."
    assert all(torch.equal(value, before[prefix + name]) for name, value in start.items())
    with pytest.raises(ValueError, match=r"(?s)init_from=.* does not fit.*of another shape"):
        train(*arguments, "head.hidden_dim=32", name="other")


def test_an_unfinished_run_says_the_command_that_resumes_it(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("handpose.pipeline.run.evaluate", None)
        with pytest.raises(TypeError):
            train("objective=none", "head=regression")
    with pytest.raises(RunRefused, match=r"seed: 5 -> 6") as refused:
        train("objective=none", "head=regression", "seed=6")
    (command,) = re.findall(r"^  (\S*python.*train\.py.*)$", str(refused.value), re.M)
    assert "seed" not in command
    assert (train(*shlex.split(command)[2:]) / "results.json").exists()


@pytest.mark.parametrize(
    ("settings", "stage"),
    [
        (("head=regression", "objective=none", "optimizer.lr=90"), "finetune"),
        (("head=none", "objective=relative", "optimizer=adam", "optimizer.lr=1000"), "pretrain"),
    ],
)
def test_a_run_that_diverges_says_so_and_is_not_to_be_resumed(
    train: Callable[..., Path],
    capsys: pytest.CaptureFixture,
    settings: tuple[str, ...],
    stage: str,
) -> None:
    length = (f"{stage}.max_epochs=4", f"{stage}.warmup_epochs=0", "trainer.caps.max_epochs=4")
    with pytest.raises(ValueError, match=rf"{stage} has diverged: .* lower optimizer\.lr"):
        train(*settings, *length)
    assert "To resume" not in capsys.readouterr().out


def test_checkpoints_of_finished_stages_can_go(train: Callable[..., Path]) -> None:
    run_dir = train("head=regression", "trainer.keep_checkpoints=false")
    assert (run_dir / "backbone.pt").exists()
    assert (run_dir / "model.pt").exists()
    assert not list(run_dir.rglob("*.ckpt"))


def test_a_live_run_is_refused(train: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with (
        FileLock(tmp_path / "run" / ".lock"),
        pytest.raises(RunRefused, match="in use by a live run"),
    ):
        train()


def test_an_interrupted_run_goes_on_where_it_was(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between two epochs of fine-tuning, it ends in the very weights of a whole run."""
    from handpose.training.finetuner import Finetuner

    settings = ("trainer.caps.max_epochs=3", "finetune.max_epochs=3", "head=regression")
    whole = torch.load(train(*settings, name="whole") / "model.pt", weights_only=True)
    epoch_start = Finetuner.on_train_epoch_start

    def stop_in_the_second_epoch(stage: Finetuner) -> None:
        if stage.current_epoch == 1:
            raise RuntimeError("power cut")

    monkeypatch.setattr(Finetuner, "on_train_epoch_start", stop_in_the_second_epoch)
    with pytest.raises(RuntimeError, match="power cut"):
        train(*settings, name="cut")
    monkeypatch.setattr(Finetuner, "on_train_epoch_start", epoch_start)
    resumed_dir = train(*settings, name="cut")
    resumed = torch.load(resumed_dir / "model.pt", weights_only=True)
    assert all(torch.equal(v, resumed["state_dict"][k]) for k, v in whole["state_dict"].items())
    rows = (resumed_dir / "metrics.csv").read_text()
    assert rows.count("finetune/val_loss,") == 3


def test_backbone_goes_into_torchvision_strictly_and_into_the_next_run(
    train: Callable[..., Path],
) -> None:
    run_dir = train("head=none", "objective=contrastive", name="first")
    results = json.loads((run_dir / "results.json").read_text())
    assert results["pa_epe_mm"] is None
    assert "head=none" in results["pa_epe_mm_reason"]
    assert not (run_dir / "model.pt").exists()

    content = torch.load(run_dir / "backbone.pt", weights_only=True)
    network = torchvision.models.resnet18()
    missing, unexpected = network.load_state_dict(content["state_dict"], strict=False)
    assert (set(missing), unexpected) == ({"fc.weight", "fc.bias"}, [])

    frozen = train(
        "objective=none",
        f"backbone.weights={run_dir / 'backbone.pt'}",
        "finetune.freeze_backbone=true",
        name="second",
    )
    model = torch.load(frozen / "model.pt", weights_only=True)["state_dict"]
    prefix = "backbone.network."
    kept = {k.removeprefix(prefix): v for k, v in model.items() if k.startswith(prefix)}
    assert kept.keys() == content["state_dict"].keys()
    assert all(torch.equal(value, kept[name]) for name, value in content["state_dict"].items())
    assert any("running_mean" in name for name in kept)

    trained = train("objective=none", f"backbone.weights={run_dir / 'backbone.pt'}", name="third")
    model = torch.load(trained / "model.pt", weights_only=True)["state_dict"]
    assert not torch.equal(model[f"{prefix}bn1.running_mean"], kept["bn1.running_mean"])
    with pytest.raises(ValueError, match="does not fit this backbone"):
        train(
            "objective=none",
            "backbone=resnet34",
            f"backbone.weights={run_dir / 'backbone.pt'}",
            name="fourth",
        )


def test_imagenet_weights_that_cannot_be_fetched_say_what_to_do(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", no_network)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    with pytest.raises(ValueError, match=r"backbone\.weights=imagenet could not be fetched"):
        train("backbone.weights=imagenet")
