"""What cannot run is refused with every problem at once; what can passes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from handpose.config import check, check_command_line
from handpose.config.catalogue import CONF
from handpose.config.checks.safety import documented_layout
from handpose.config.schema import register

TRAIN = CONF.parent / "train.py"
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without data, and a name space with the schema."""
    register()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Asserts that a command line is refused, and returns what is printed."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as exit_:
            check_command_line(list(arguments))
        assert exit_.value.code == 1
        return capsys.readouterr().err

    return run


@pytest.fixture
def experiments(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Writes an experiment file into a folder of its own; returns the flags that find it."""

    def write(name: str, content: str) -> list[str]:
        folder = tmp_path / "more" / "experiment"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(f"# @package _global_\n{content}")
        return ["--config-dir", str(folder.parent)]

    return write


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("objectve=relative", "objectve: no such key; did you mean objective?"),
        ("+objectve=relative", "objectve: no such key; did you mean objective?"),
        ("++objectve=relative", "objectve: no such key; did you mean objective?"),
        ("experiment=null", "leave it out"),
        ("head=heatmp", "head=heatmp: no such choice; did you mean heatmap?"),
        ("dataset@pretrian.dataset=freihand", "did you mean dataset@pretrain.dataset"),
        ("+dataset@report.dataset=freihand", "no such group"),
        ("+dataset@evaluate.dataset=freihand", "write it without the +"),
        ("evaluate.dataset.root=/x", "add dataset@evaluate.dataset=CHOICE to the same line"),
        ("evaluate.dataset=freihand", "write dataset@evaluate.dataset=CHOICE"),
        ("+objective=relative", "write it without the +"),
        ("augment.rotat=false", "augment.rotat: no such key; did you mean augment.rotate?"),
        ("finetune.max_epoch=3", "did you mean finetune.max_epochs?"),
        ("max_epochs=3", "pretrain.max_epochs or finetune.max_epochs"),
        ("head.hidden_dim=3", "no such key here; it belongs to head=regression"),
        ("pretrain.dataset.root=/x", "set dataset.root"),
        ("pretrain.dataset=freihand", "write dataset@pretrain.dataset=CHOICE"),
        ("~seed", "~seed: cannot be left out"),
        ("~head", "~head: cannot be left out"),
        ("seed", "not of the form KEY=VALUE"),
        ("objective=contrastive,relative", "--multirun"),
        ("finetune.max_epochs=ten", "expected a whole number from 1 to"),
        ("finetune.max_epochs=-5", "expected a whole number from 1 to"),
        ("pretrain.max_epochs=0", "expected a whole number from 1 to"),
        ("pretrain.batch_size=1", "expected a whole number from 2 to"),
        ("finetune.label_fraction=0", "expected a number above 0 and at most 1"),
        ("seed=-1", "expected a whole number from 0 to"),
        ("seed=null", "expected a whole number from 0 to"),
        ("reference_bone=indx", "did you mean index?"),
        ("trainer.devices=0", "trainer.devices=0: expected"),
        ("trainer.devices=[1,1]", "a list of indices"),
        ("trainer.strategy=dpp", "did you mean ddp?"),
        ("pretrain.gradient_cache_chunk=0", "expected null or a whole number from 1 to"),
        ("trainer.precision=16", "expected auto or 32-true"),
        ("trainer.caps.batches=2", "choose trainer=debug first"),
        ("dataset.image_size=100", "expected a multiple of 32"),
        ("dataset.crop_by=hand", "expected box or joints"),
        ("optimizer.lr=1e-3x", "optimizer.lr=1e-3x: expected a number above 0"),
        ("augment.rotate=5", "augment.rotate=5: expected true or false"),
        ("augment.angle=[30,-30]", "expected a range [from, to]"),
        ("augment.probability=2", "augment.probability"),
        ("backbone.weights=imagnet", "did you mean imagenet?"),
        ("backbone._target_=os.system", "_target_=os.system: only handpose.augment"),
        ("head._target_=handpose.heads.heatmap.HeatmpHead", "did you mean HeatmapHead?"),
        ("paths.runs=${nothing}", "paths.runs"),
        ("pretrain.positives=mind", "did you mean mined?"),
        ("finetune.positives=mined", "did you mean pretrain.positives?"),
        ("pretrain.mining.num_dims=43", "expected a whole number from 1 to 42"),
        ("pretrain.mining.neighbours=0", "expected a whole number from 1 to"),
        ("pretrain.mining.exclude=video", "expected recording or identity or none"),
    ],
)
def test_one_mistake_is_named_with_its_remedy(
    argument: str, message: str, refused: Refused
) -> None:
    printed = refused(argument)
    assert message in printed
    assert "has 1 problem." in printed


def test_all_mistakes_are_named_at_once(refused: Refused) -> None:
    printed = refused("objectve=x", "head=heatmp", "seed=x", "augment.rotat=1", "paths.cache=")
    for key in ("objectve", "head=heatmp", "seed=x", "augment.rotat", "paths.cache="):
        assert f"  - {key}" in printed
    assert "has 5 problems" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["objective=contrastive", "head=regression", "backbone=hrnet_w18", "optimizer=lars"],
        ["seed='3'", "augment.angle=[-20,20]", "sweep='a b'", "paths.data=${paths.cache}"],
        ["optimizer._target_=torch.optim.SGD", "+optimizer.momentum=0.9"],
        ["trainer=debug", "trainer.caps.batches=3", "logger=wandb", "logger.wandb.tags=[a,b]"],
        ["++seed=3", "hydra.job.chdir=false", "hydra/launcher=basic"],
        ["objective=none", "dataset@pretrain.dataset=freihand"],
        ["--cfg", "job", "dataset=freihand"],
        ["--help"],
        ["-m", "objective=glob(*,exclude=[hybrid,mae])", "seed=range(1,3)", "augment.margin=1,1.2"],
    ],
)
def test_what_can_run_passes(arguments: list[str]) -> None:
    check_command_line(arguments)


def test_a_stage_has_a_dataset_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "source" / "training").mkdir(parents=True)
    stage = ["dataset@finetune.dataset=freihand", f"finetune.dataset.root={tmp_path / 'source'}"]
    check_command_line([*stage, "finetune.dataset.val_fraction=0.2"])


def test_a_missing_dataset_is_named_with_its_layout(refused: Refused) -> None:
    printed = refused("dataset=freihand", "paths.data=/nowhere")
    assert "dataset.root=/nowhere/freihand: no such directory" in printed
    assert "dataset.root=DIR" in printed
    assert "ROOT/training/rgb" in printed
    assert printed.count("no such directory") == 1  # both stages have the same source


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "dataset.sources=[synthetic,freihnd]",
            "there is no source freihnd; did you mean freihand?",
        ),
        ("dataset.parts.freihnd.root=x", "no such key; did you mean dataset.parts.freihand.root?"),
        ("dataset.parts.interhand.annotations=humn", "did you mean human?"),
        ("dataset.parts.synthetic.num_train=0", "expected a whole number from 1 to"),
        ("dataset.weights=[1,-2]", "expected null or a list of numbers above 0"),
        ("dataset.parts.freihand.quarantine=x.csv", None),  # of a source that takes no part
    ],
)
def test_the_parts_of_a_mix_are_checked(
    argument: str, message: str | None, refused: Refused
) -> None:
    arguments = ["dataset=mix", "dataset.sources=[synthetic]", argument]
    if message is None:
        check_command_line(arguments)
    else:
        assert message in refused(*arguments)


def test_files_that_a_source_names_must_be_there(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "some").touch()
    files = ["dataset.quarantine=/nowhere.csv", "dataset.joint_regressor=/nowhere.npy"]
    printed = refused("dataset=youtube", f"dataset.root={tmp_path}", *files)
    assert all(f"{file}: no such file" in printed for file in files)


def test_a_head_asks_for_joints(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "hand.jpg").touch()
    folder = ["dataset=folder", f"dataset.root={tmp_path}"]
    printed = refused(*folder)
    assert "folder has no joints to fine-tune a head on" in printed
    assert "dataset@pretrain.dataset=folder pretrain.dataset.root=DIR" in printed
    mix = ["dataset=mix", "dataset.sources=[folder]", f"dataset.parts.folder.root={tmp_path}"]
    assert "no joints to fine-tune" in refused(*mix)
    check_command_line([*folder, "head=none"])
    check_command_line(["dataset@pretrain.dataset=folder", f"pretrain.dataset.root={tmp_path}"])
    check_command_line([*mix[:1], "dataset.sources=[folder,synthetic]", mix[2]])


def test_an_empty_dataset_is_refused(tmp_path: Path, refused: Refused) -> None:
    assert "is empty" in refused("dataset=freihand", f"dataset.root={tmp_path}")


def test_mined_positives_ask_for_an_objective_that_takes_them(refused: Refused) -> None:
    mined = "pretrain.positives=mined"
    message = "pretrain.positives=mined: objective=relative needs two views of one image; choose"
    assert message in refused("objective=relative", mined)
    for objective in ("contrastive", "equivariant", "hybrid", "none"):
        check_command_line([f"objective={objective}", mined])


def test_mined_positives_ask_for_the_files_of_predictions(tmp_path: Path, refused: Refused) -> None:
    asked = ["objective=contrastive", f"pretrain.mining.joints={tmp_path}"]
    check_command_line(asked)  # positives=self reads none
    asked.append("pretrain.positives=mined")
    (tmp_path / "train.npy").touch()
    printed = refused(*asked)
    assert f"pretrain.mining.joints={tmp_path}: there is no val.npy" in printed
    assert "(N, 21, 2) u, v in px of the source image" in printed
    (tmp_path / "val.npy").touch()
    check_command_line(asked)
    for name in ("train.npy", "val.npy"):
        (tmp_path / name).unlink()
    assert "no train.npy and no val.npy" in refused(*asked)
    (tmp_path / "labels.jsonl").touch()
    check_command_line(asked)
    asked[1] += "/labels.jsonl"
    check_command_line(asked)
    asked[1] = asked[1].replace("labels", "lables")
    assert "there is no lables.jsonl" in refused(*asked)


def test_nothing_to_do_is_refused(refused: Refused) -> None:
    assert "nothing to do" in refused("objective=none", "head=none")


@pytest.mark.parametrize("key", ["paths.runs", "paths.cache", "hydra.run.dir"])
def test_a_folder_that_cannot_be_made_is_refused(
    key: str, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "file").touch()
    printed = refused(f"{key}={tmp_path / 'file' / 'below'}")
    assert f"{key}={tmp_path / 'file' / 'below'}: " in printed
    assert "is a file, not a directory" in printed


@pytest.mark.parametrize("key", ["paths.runs", "paths.cache", "hydra.run.dir"])
def test_a_folder_that_cannot_be_written_is_refused(key: str, refused: Refused) -> None:
    printed = refused(f"{key}=/proc/handpose")  # not even root writes there
    assert f"{key}=/proc/handpose: /proc cannot be written (" in printed


@pytest.mark.parametrize("key", ["paths.runs", "paths.cache", "hydra.run.dir"])
def test_a_folder_with_a_name_that_cannot_be_is_refused(
    key: str, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert f"{tmp_path}/link is a broken symlink" in refused(f"{key}={tmp_path}/link/runs")
    assert "File name too long" in refused(f"{key}={tmp_path}/{'x' * 300}")


def test_a_read_only_cache_with_content_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def read_only(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("handpose.config.checks.folders.TemporaryDirectory", read_only)
    monkeypatch.setattr("handpose.config.checks.command_line.unwritable", lambda *_: None)
    assert "Read-only file system" in refused(f"paths.cache={tmp_path}")
    (tmp_path / "index").mkdir()
    check_command_line([f"paths.cache={tmp_path}"])


def test_nothing_is_left_of_the_attempt_to_write(tmp_path: Path) -> None:
    check_command_line([f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}"])
    assert not list(tmp_path.iterdir())


def test_all_cells_of_a_sweep_are_checked(refused: Refused) -> None:
    printed = refused("-m", "objective=none,relative", "head=none,heatmap", "seed=1,2,-3")
    assert "nothing to do; choose an objective, a head, or both [in 3 of 12 cells]" in printed
    assert "seed=-3: expected a whole number from 0 to 4294967295 [in 4 of 12 cells]" in printed
    printed = refused("-m", "objective=relative,contrstive", "seed=1,2")
    assert "objective=contrstive: no such choice; did you mean contrastive?" in printed


def test_an_experiment_for_others_to_build_on_is_not_suggested(refused: Refused) -> None:
    printed = refused("experiment=base_contrastiv")
    assert "no such choice" in printed
    assert "contrastive" in printed
    assert "base_" not in printed.replace("base_contrastiv:", "")


def test_experiments_are_found_and_checked(
    refused: Refused, experiments: Callable[[str, str], list[str]]
) -> None:
    flags = experiments(
        "good", "defaults:\n  - override /head: regression\nfinetune:\n  max_epochs: 3\n"
    )
    check_command_line([*flags, "experiment=good", "head.hidden_dim=64"])
    assert "write it without the +" in refused(*flags, "+experiment=good")
    content = "finetune:\n  max_epoch: 3\naugment:\n  rotat: false\nsed: 3\n"
    printed = refused(*experiments("bad", content), "experiment=bad")
    for meant in ("finetune.max_epochs", "augment.rotate", "seed"):
        assert f"did you mean {meant}?" in printed


def test_parameters_of_a_sweep_in_a_file_are_cells(
    refused: Refused, experiments: Callable[[str, str], list[str]]
) -> None:
    flags = experiments("study", "hydra:\n  sweeper:\n    params:\n      seed: 1,-2\n")
    assert "[in 1 of 2 cells]" in refused(*flags, "-m", "experiment=study")


def test_a_composed_configuration_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        check(compose("config"))
        cfg = compose("config", overrides=["+augment.rotat=false", "finetune.max_epochs=0"])
    with pytest.raises(SystemExit):
        check(cfg)
    printed = capsys.readouterr().err
    assert "augment.rotat: no such key; did you mean augment.rotate?" in printed
    assert "finetune.max_epochs=0: expected" in printed


def test_a_layout_is_read_without_importing_its_module() -> None:
    layout = documented_layout("handpose.data.sources.freihand.FreiHand")
    assert layout.startswith("ROOT/training/rgb/%08d.jpg")
    assert "Joints are" not in layout


_WRAPPER = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    heavy = {"torch", "pytorch_lightning", "albumentations", "timm", "cv2", "lightly"}
    heavy &= set(sys.modules)
    assert not heavy, heavy
"""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--help"], 0, "objective: relative, barlow_twins, byol, contrastive, "),
        (["--cfg", "job"], 0, "max_epochs"),
        (["objectve=relative"], 1, "did you mean objective?"),
        (["-m", "head=heatmap,heatmp"], 1, "did you mean heatmap?"),
    ],
)
def test_the_program_answers_without_heavy_imports(
    arguments: list[str], code: int, text: str
) -> None:
    command = [sys.executable, "-c", _WRAPPER, str(TRAIN), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    assert text in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
