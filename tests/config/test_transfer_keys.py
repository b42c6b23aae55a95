"""The keys of layer-wise decay and of the probe take what makes sense, and nothing else."""

import pytest

from handpose.config import check_command_line


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("finetune.layer_decay=0", "expected a number above 0 and at most 1"),
        ("finetune.layer_decay=1.1", "expected a number above 0 and at most 1"),
        ("pretrain.layer_decay=0.9", "did you mean finetune.layer_decay?"),
        ("pretrain.probe.samples=1", "expected null or a whole number from 2 to"),
        ("pretrain.probe.every_n_epochs=0", "expected a whole number from 1 to"),
        ("pretrain.probe.sample=5", "did you mean pretrain.probe.samples?"),
    ],
)
def test_wrong_values_are_named(
    argument: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        check_command_line([argument])
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("head", ["heatmap", "simcc"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["objective=relative", "objective.num_keypoints=8"],
        ["objective=equivariant", "objective.projection=keypoints"],
    ],
)
def test_a_decoder_that_the_head_could_not_take_is_refused(
    arguments: list[str], head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = [*arguments, f"head={head}", "head.width=32"]
    for instead in ("objective.decoder_width=32", "finetune.transfer_decoder=false"):
        check_command_line([*narrow, instead])
    with pytest.raises(SystemExit):
        check_command_line(narrow)
    expected = "objective.decoder_width=64: the head starts from that decoder"
    assert expected in capsys.readouterr().err


def test_of_several_parts_it_is_the_last_decoder(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["objective=hybrid", "objective.parts.relative.num_keypoints=8"]
    check_command_line(arguments)
    with pytest.raises(SystemExit):
        check_command_line([*arguments, "objective.parts.relative.decoder_width=32"])
    assert "objective.parts.relative.decoder_width=32" in capsys.readouterr().err


def test_right_ones_pass() -> None:
    check_command_line(["finetune.layer_decay=0.75", "pretrain.probe.samples=512"])


def test_heatmaps_divide_the_crop(capsys: pytest.CaptureFixture[str]) -> None:
    check_command_line(["head=heatmap", "head.stride=16"])
    check_command_line(["head=heatmap", "head.stride=3", "dataset.image_size=96"])
    with pytest.raises(SystemExit):
        check_command_line(["head=heatmap", "head.stride=3"])
    expected = "head.stride=3: does not divide finetune.dataset.image_size=64; set 1 or 2 or 4"
    assert expected in capsys.readouterr().err
