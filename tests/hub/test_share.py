"""Weights that are pushed and pulled are the same bit for bit, and nothing else comes through."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shared_runs as own
import torch
from safetensors.torch import load_file

from handpose import HandPose
from handpose.hub.manifest import describe
from handpose.hub.remote import Directory, find_remote
from handpose.hub.transfer import pull, push
from handpose.weights import torch_file
from handpose.weights.command import main
from handpose.weights.read import read_state_dict

FILES = {
    *("README.md", "config.json", "handpose.json", "results.json"),
    *("backbone.safetensors", "decoder.safetensors", "model.safetensors"),
    "calibration.safetensors",
}


def flat(node: Any, place: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {place: node}
    return {k: v for key, own in node.items() for k, v in flat(own, f"{place}/{key}").items()}


def edited(path: Path, change: Callable[[dict], None]) -> None:
    """Changes a JSON file of a share, and its checksum too: a forger can do both."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    if path.name != "handpose.json":
        sums = json.loads((path.parent / "handpose.json").read_text())
        sums["files"][path.name] = describe(path)
        (path.parent / "handpose.json").write_text(json.dumps(sums))


def test_a_run_comes_back_bit_for_bit(run_dir: Path, share: Path, tmp_path: Path) -> None:
    assert {path.name for path in share.iterdir()} == FILES
    pulled = pull(Directory(share), tmp_path / "pulled")
    assert pulled.kinds == ["backbone", "model"]
    for name in ("backbone.pt", "model.pt"):
        before, after = (flat(torch_file.load(d / name)) for d in (run_dir, pulled.folder))
        tensors = {key for key, value in before.items() if isinstance(value, torch.Tensor)}
        assert len(tensors) > 100
        assert all(torch.equal(before[key], after[key]) for key in tensors)
        assert {k for k, v in after.items() if isinstance(v, torch.Tensor)} == tensors
        assert after["/meta/results/finetune_seconds"] == 12.5
        assert after["/meta/provenance/sessions"][0]["commit"] == "c" * 40


def test_predictions_and_confidences_are_those_of_the_run(
    run_dir: Path, share: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)
    pulled = pull(Directory(share), tmp_path / "pulled").folder
    (one,), (other,) = (
        HandPose.from_run(folder, device="cpu").predict([image]) for folder in (run_dir, pulled)
    )
    assert (one.uv == other.uv).all()
    assert one.confidence is not None
    assert one.confidence == other.confidence
    assert one.confidence_note == other.confidence_note == ""


def test_the_backbone_is_taken_as_start_weights(share: Path, tmp_path: Path) -> None:
    folder = pull(Directory(share), tmp_path / "pulled").folder
    for path in (folder / "backbone.pt", share / "backbone.safetensors"):
        state = read_state_dict(path)
        own.parts.build_backbone(own.composed(f"backbone.weights={path}"))
        assert not [name for name in state if name.startswith("decoder")]


def test_an_encoder_alone(tmp_path: Path, run_dir: Path) -> None:
    push(run_dir, Directory(tmp_path / "shared"), kinds=["backbone"])
    names = {path.name for path in (tmp_path / "shared").iterdir()}
    assert names == FILES - {"model.safetensors", "calibration.safetensors"}
    pulled = pull(Directory(tmp_path / "shared"), tmp_path / "pulled")
    assert pulled.kinds == ["backbone"]
    assert not (pulled.folder / "model.pt").exists()


def test_a_run_without_a_head(tmp_path: Path) -> None:
    run_dir = own.write_run(tmp_path / "run", own.composed("head=none", "objective=relative"))
    push(run_dir, Directory(tmp_path / "shared"))
    card = (tmp_path / "shared" / "README.md").read_text()
    assert "An encoder of hand images, trained by handpose." in card
    assert "handpose predict" not in card
    assert "backbone=resnet18_half backbone.weights=" in card
    assert pull(Directory(tmp_path / "shared"), tmp_path / "pulled").kinds == ["backbone"]


def test_the_card_has_terms_results_provenance_and_how_to_load(share: Path) -> None:
    card = (share / "README.md").read_text()
    for said in (
        "pre-training, without labels: youtube; terms: for researchers of academic institutions",
        "fine-tuning, with labels: freihand; terms: research only",
        "| `pa_epe_mm` | 11.25 |",
        "On the test split of freihand, 32 hands",
        f"commit {'c' * 12}, without changes",
        "handpose weights pull FOLDER --to model",
        "license: other",
    ):
        assert said in card, said


def test_nothing_names_the_user_or_the_machine(share: Path) -> None:
    for path in share.iterdir():
        assert b"alice" not in path.read_bytes(), path.name
    config = json.loads((share / "config.json").read_text())
    assert config["finetune"]["dataset"]["root"] == "data/freihand"
    assert "logger" not in config


def test_a_second_push_replaces_the_first(run_dir: Path, share: Path, tmp_path: Path) -> None:
    push(run_dir, Directory(share), kinds=["backbone"])
    assert pull(Directory(share), tmp_path / "pulled").kinds == ["backbone"]
    assert not (share / "model.safetensors").exists()


@pytest.mark.parametrize("name", sorted(FILES - {"handpose.json"}))
def test_a_flipped_bit_or_a_cut_file_is_named(share: Path, tmp_path: Path, name: str) -> None:
    content = bytearray((share / name).read_bytes())
    content[len(content) // 2] ^= 1
    for wrong in (bytes(content), bytes(content[:-1])):
        (share / name).write_bytes(wrong)
        with pytest.raises(ValueError, match=f"{name} is corrupt: handpose.json has sha256"):
            pull(Directory(share), tmp_path / "pulled")
    assert not list(tmp_path.glob("*pulled*"))  # nor half of it


def _target(content: dict) -> None:
    content["head"]["_target_"] = "os.system"


def _other_head(content: dict) -> None:
    content["head"]["hidden_dim"] = 16


def _newer(content: dict) -> None:
    content["format_version"] = 2


def _escape(content: dict) -> None:
    content["files"]["../../outside"] = {"sha256": "0", "bytes": 1}


def _no_sums(content: dict) -> None:
    content["files"] = ["model.safetensors"]


def _no_config(content: dict) -> None:
    del content["files"]["config.json"]


def _no_meta(content: dict) -> None:
    content["model"] = None


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", _target, r"config\.json: .*os\.system"),
        ("config.json", _other_head, "the weights do not fit config.json"),
        ("handpose.json", _newer, "written by a newer handpose"),
        ("handpose.json", _escape, r"names unknown files, \.\./\.\./outside"),
        ("handpose.json", _no_sums, "not a table of checksums"),
        ("handpose.json", _no_config, "names no config.json"),
        ("handpose.json", _no_meta, "has no `model.meta`"),
    ],
)
def test_a_forged_folder_is_refused(
    share: Path, tmp_path: Path, name: str, change: Callable, message: str
) -> None:
    edited(share / name, change)
    with pytest.raises(ValueError, match=message):
        pull(Directory(share), tmp_path / "pulled")
    assert not list(tmp_path.glob("*pulled*"))


def test_a_pickle_under_the_name_of_safetensors_is_not_loaded(share: Path, tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1)}, share / "model.safetensors")
    edited(
        share / "handpose.json",
        lambda c: c["files"].update({"model.safetensors": describe(share / "model.safetensors")}),
    )
    with pytest.raises(ValueError, match=r"model\.safetensors is not a safetensors file"):
        pull(Directory(share), tmp_path / "pulled")


def test_a_file_that_never_ends_is_not_read(share: Path, tmp_path: Path) -> None:
    (share / "results.json").unlink()
    (share / "results.json").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"results\.json"):
        pull(Directory(share), tmp_path / "pulled")


def test_what_exists_is_not_overwritten(share: Path, run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exists and is not overwritten"):
        pull(Directory(share), tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="holds other files"):
        push(run_dir, Directory(tmp_path / "mine"))
    (run_dir / "results.json").unlink()
    with pytest.raises(ValueError, match="not finished"):
        push(run_dir, Directory(tmp_path / "shared"))
    assert not (tmp_path / "shared").exists()


@pytest.mark.parametrize("text", ["hands", "a/b/c", "https://huggingface.co/a/b", "a/b c", ""])
def test_a_wrong_repository_is_told_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="OWNER/NAME, or a folder"):
        find_remote(text)


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    assert isinstance(find_remote(str(tmp_path)), Directory)
    assert isinstance(find_remote("./nothing/here"), Directory)
    for options in ({"revision": "main"}, {"private": True}):
        with pytest.raises(ValueError, match="is a folder, which has none"):
            find_remote(str(tmp_path), **options)


def test_the_commands(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["push", str(run_dir), "./shared", "--dry-run"])
    out = capsys.readouterr().out
    assert not (tmp_path / "shared").exists()
    assert "## What it learned from" in out
    assert "nothing was sent" in out
    main(["push", str(run_dir), "./shared"])
    main(["pull", "./shared", "--to", "pulled", "--dry-run"])
    assert not (tmp_path / "pulled").exists()
    main(["pull", "./shared", "--to", "pulled"])
    assert "handpose predict pulled IMAGES" in capsys.readouterr().out
    assert load_file(tmp_path / "shared" / "model.safetensors").keys() == (
        read_state_dict(tmp_path / "pulled" / "model.pt").keys()
    )
    with pytest.raises(SystemExit, match="exists and is not overwritten"):
        main(["pull", "./shared", "--to", "pulled"])
    with pytest.raises(SystemExit, match="no such run"):
        main(["push", str(tmp_path / "nothing"), "./other"])
