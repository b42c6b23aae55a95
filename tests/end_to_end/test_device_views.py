"""Views made by the device: the same bits with any number of workers, and after a kill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from run_differences import differences

from handpose.config.errors import UserError
from handpose.data.packed.pack import Pack
from handpose.pipeline.run_directory import read_config
from handpose.training import module
from handpose.training.module import Stage

SETTINGS = (
    *("head=regression", "objective=hybrid", "trainer.caps.batches=4", "trainer.caps.samples=32"),
    *("trainer.keep_checkpoints=true", "trainer.checkpoint_every_n_steps=1"),
)
ON_DEVICE = "trainer.augment_on=device"
SHORT = ("head=regression", "objective=hybrid", "trainer.keep_checkpoints=true", ON_DEVICE)
Train = Callable[..., Path]


class PowerCutError(RuntimeError):
    """The end of a process that nothing of ours gets to see."""


def test_with_2_workers_and_cut_in_either_stage_it_ends_in_the_same_bits(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = Mock(side_effect=module.rendered)
    monkeypatch.setattr(module, "rendered", rendered)
    whole, left = train(*SETTINGS, ON_DEVICE, name="whole"), 0
    assert rendered.call_count == 8  # of two stages of four steps

    def cut(stage: Stage, batch: Any, batch_idx: int) -> None:
        nonlocal left
        assert (next(iter(batch.values())) if isinstance(batch, dict) else batch).image.numel()
        left -= 1
        if left < 0:
            raise PowerCutError

    again = (*SETTINGS, ON_DEVICE, "trainer.num_workers=2")
    with monkeypatch.context() as patch:
        patch.setattr(Stage, "on_train_batch_start", cut)
        for steps in (2, 4):  # in pre-training, then in fine-tuning
            left = steps
            with pytest.raises(PowerCutError):
                train(*again, name="cut")
    assert differences(whole, train(*again, name="cut")) == []


def test_resident_crops_end_in_the_bits_of_decoded_ones(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = train(*SHORT, "dataset.packed=false", name="decoded")
    monkeypatch.setattr(Pack, "image", _of_validation(Pack.image))
    resident = train(*SHORT, "dataset.packed=true", "trainer.resident=true", name="resident")
    log = (resident / "train.log").read_text()
    assert log.count("resident data: 32 packed crops") == 2  # in either stage
    assert differences(decoded, resident) == []


@pytest.mark.slow
def test_gathered_crops_end_in_the_bits_of_decoded_ones(train: Train) -> None:
    decoded = train(*SHORT, "dataset.packed=false", name="decoded")
    gathered = train(*SHORT, "dataset.packed=true", "trainer.num_workers=2", name="gathered")
    assert "data workers gather their packed crops" in (gathered / "train.log").read_text()
    assert differences(decoded, gathered) == []


def _of_validation(image: Callable[[Pack, int], Any]) -> Callable[[Pack, int], Any]:
    """Reads single crops of every split but the training one, which is resident."""

    def read(pack: Pack, place: int) -> Any:
        assert pack.description["split"] != "train"
        return image(pack, place)

    return read


def test_auto_is_recorded_and_kept_on_another_machine(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("objective=none", "head=regression", "report=false")
    run_dir = train(*settings, name="run")
    assert read_config(run_dir)["trainer"]["augment_on"] == "workers"
    (run_dir / "results.json").unlink()
    monkeypatch.setattr("handpose.pipeline.auto._views_by", lambda cfg: "device")
    train(*settings, name="run")
    assert read_config(run_dir)["trainer"]["augment_on"] == "workers"
    assert read_config(train(*settings, name="new"))["trainer"]["augment_on"] == "device"
    with pytest.raises(SystemExit, match=r"trainer\.augment_on: workers -> device"):
        train(*settings, ON_DEVICE, name="run")


def test_resident_data_without_a_pack_are_refused_before_training(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"trainer\.resident=true: synthetic is not packed"):
        train("objective=none", ON_DEVICE, "trainer.resident=true", "dataset.seed=77", name="run")
    with pytest.raises(SystemExit):
        train("trainer.augment_on=workers", "trainer.resident=true", name="other")
    assert "trainer.resident=true: needs views that the device makes" in capsys.readouterr().err


def test_resident_data_of_a_later_stage_are_refused_before_the_first(
    train: Train, tmp_path: Path
) -> None:
    own = ("dataset@pretrain.dataset=synthetic", "pretrain.dataset.packed=true")
    settings = (ON_DEVICE, "trainer.resident=true", *own)
    with pytest.raises(UserError, match=r"trainer\.resident=true: synthetic is not packed"):
        train(*settings, f"paths.cache={tmp_path / 'cache'}", "report=false", name="run")
    assert not list(tmp_path.rglob("backbone.pt"))
