"""What the missing runs of a study cost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from handpose.study.cost import describe_cost, estimate_cost
from handpose.study.run_grid import RunGrid
from handpose.study.status import Status
from handpose.study.study_file import parse_study

Finish = Callable[..., None]


def status_of(content: dict[str, Any], folder: Path, *extra: str) -> Status:
    return Status(RunGrid(parse_study(content), extra), folder)


def test_images_of_each_stage(content: dict[str, Any], tmp_path: Path, finish: Finish) -> None:
    """40 hands, 2 batches of 16; of 5 % of them a batch, of which there is always one."""
    content["tune"] = None
    status = status_of(content, tmp_path)
    cost = estimate_cost(status)
    start = 3 * 2 * 16 * 2  # epochs, batches, pairs, views
    few, all_labels = 8 * 1 * 16, 8 * 2 * 16
    assert cost.stages["pretrain"] == (3, 3 * start)
    assert cost.stages["runs"] == (12, 6 * few + 6 * all_labels)
    assert cost.longest == start + all_labels
    finish(*status.cells("pretrain"), status.cells("runs")[-1])
    cost = estimate_cost(status)
    assert cost.stages["pretrain"] == (0, 0)
    assert cost.stages["runs"] == (11, 6 * few + 5 * all_labels)
    assert cost.longest == all_labels


def test_settings_of_an_arm_and_parts_of_a_hybrid_count(
    content: dict[str, Any], tmp_path: Path
) -> None:
    arms = {"none": None, "hybrid": ["objective=hybrid", "pretrain.batch_size=8"]}
    content |= {"tune": None, "seeds": [5], "fractions": [1.0]}
    content["pretrain"] = {"common": ["pretrain.samples_per_epoch=20"], "arms": arms}
    content["finetune"] = {"common": [], "arms": {"hybrid": ["finetune.max_epochs=3"]}}
    cost = estimate_cost(status_of(content, tmp_path, "finetune.batch_size=10"))
    assert (
        cost.stages["pretrain"].images == 2 * 2 * 8 * 2 * 2
    )  # epochs, batches, pairs, views, parts
    assert cost.stages["runs"].images == 9 * 40 + 3 * 40


def test_a_choice_of_settings_is_waited_for(content: dict[str, Any], tmp_path: Path) -> None:
    """The longest candidate of the tuning is part of the longest chain."""
    cost = estimate_cost(status_of(content, tmp_path, "finetune.batch_size=40"))
    assert cost.stages["tune"].images == 4 * (4 + 16) * 40
    start = 3 * 2 * 16 * 2
    assert cost.longest == start + 16 * 40 + 8 * 40


def test_hours_need_a_speed_and_a_known_length(content: dict[str, Any], tmp_path: Path) -> None:
    content["tune"] = None
    lines = describe_cost(estimate_cost(status_of(content, tmp_path)), 100.0)
    assert lines[0] == "# cost: 3 pre-trainings, 576 images of training"
    assert lines[-1].startswith("# cost at 100 images/s: 0.0 hours of one device")
    content["common"] = ["finetune.max_epochs=9"]
    real = status_of(content, tmp_path, "dataset=freihand")
    lines = describe_cost(estimate_cost(real), 100.0)
    assert lines[-1] == "# cost: unknown without samples_per_epoch of both stages"
    long = ["pretrain.samples_per_epoch=3600000", "finetune.samples_per_epoch=3600000"]
    known = status_of(content, tmp_path, "dataset=freihand", *long)
    last = describe_cost(estimate_cost(known), 1000.0)[-1]
    # 3 x 3 epochs of both views, 12 x 8 of fine-tuning: an hour each
    assert "at 1,000 images/s: 114.0 hours of one device" in last
    assert last.endswith("at least 14.0 hours on any number of devices")
    assert len(describe_cost(estimate_cost(known), None)) == 2
