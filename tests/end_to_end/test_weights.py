"""scripts/weights.py: encoders of runs go out strictly, and come in with a report."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from network_guard import python_path
from torch import nn

from handpose.backbones.base import Backbone
from handpose.backbones.hrnet import HRNet
from handpose.backbones.resnet import ResNet
from handpose.backbones.resnet_half import HalfResNet
from handpose.weights import torch_file

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "weights.py"


@pytest.fixture
def weights(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """weights(*arguments) -> what `python scripts/weights.py` prints, run in this process."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr().out

    return run


def finish(run_dir: Path, backbone: Backbone, name: str) -> Path:
    """A run directory with pre-trained weights, as a run leaves them."""
    meta = {"backbone": name, "objective": "x.Y", "head": None, "seed": 5, "results": {}}
    content = {"state_dict": backbone.network.state_dict(), "meta": meta}
    torch_file.save(content, run_dir / "backbone.pt")
    return run_dir


def load_as_printed(output: str) -> nn.Module:
    """The network that the printed lines load."""
    lines = [line.strip() for line in output.splitlines() if line.startswith("  network")]
    scope = {"torch": torch, "torchvision": torchvision, "timm": timm}
    exec("\n".join(lines), scope)
    return scope["network"].eval()


def test_a_resnet50_goes_out_strictly_and_in_again(
    weights: Callable[..., str], tmp_path: Path
) -> None:
    backbone = ResNet(name="resnet50").eval()
    nn.init.uniform_(backbone.network.layer4[2].bn3.running_var, 0.5, 2.0)
    run_dir = finish(tmp_path / "run", backbone, "resnet50")
    output = weights("export", run_dir)
    exported = run_dir / "resnet50-pretrain.pth"
    parameters = sum(p.numel() for p in backbone.network.parameters())
    assert f"wrote {exported}: resnet50, 318 tensors, {parameters:,} parameters" in output
    assert re.search(r"^sha256 [0-9a-f]{64}$", output, re.MULTILINE)

    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        embedding = backbone(image)[1]
        assert (load_as_printed(output)(image) - embedding).abs().max() < 1e-6
    whole = torchvision.models.resnet50()
    state = torch.load(exported, weights_only=True)
    missing, unexpected = whole.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["fc.weight", "fc.bias"], [])

    output = weights("import", exported, "--backbone", "resnet50", "--to", tmp_path / "in.pt")
    assert "recognised as torchvision's or timm's own names" in output
    assert "matched 318 tensors, none renamed" in output
    again = torch.load(tmp_path / "in.pt", weights_only=True)
    assert again["meta"]["backbone"] == "resnet50"
    assert again["meta"]["imported"]["file"] == exported.name
    own = backbone.network.state_dict()
    assert again["state_dict"].keys() == own.keys()
    assert all(torch.equal(value, own[name]) for name, value in again["state_dict"].items())


def test_an_hrnet_goes_out_strictly(weights: Callable[..., str], tmp_path: Path) -> None:
    backbone = HRNet(name="hrnet_w18").eval()
    output = weights("export", finish(tmp_path, backbone, "hrnet_w18"), "--to", tmp_path / "a.pth")
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        levels, expected = load_as_printed(output)(image)[-4:], backbone(image)[0]
    assert all(torch.equal(a, b) for a, b in zip(levels, expected, strict=True))


def test_half_a_resnet_goes_out_strictly(weights: Callable[..., str], tmp_path: Path) -> None:
    backbone = HalfResNet(name="resnet18_half").eval()
    output = weights("export", finish(tmp_path, backbone, "resnet18_half"))
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = backbone(image)[1]
        assert (load_as_printed(output)(image) - expected).abs().max() < 1e-6


def test_an_imported_file_starts_a_run_which_gives_its_encoder_after_either_stage(
    train: Callable[..., Path], weights: Callable[..., str], tmp_path: Path
) -> None:
    network = torchvision.models.resnet18()
    state = {f"module.encoder_q.{k}": v for k, v in network.state_dict().items()}
    torch.save({"state_dict": state | {"module.queue": torch.ones(3)}}, tmp_path / "moco.pth")
    output = weights("import", tmp_path / "moco.pth", "--backbone", "resnet18")
    assert "dropped 3: module.encoder_q.fc.* (2), module.queue (1)" in output
    overrides = re.findall(r"python train.py (.*)$", output, re.MULTILINE)[0].split()
    run_dir = train(*overrides, "objective=none", "head=regression")

    assert "not pre-trained" in weights("export", run_dir)
    before = torch.load(run_dir / "resnet18-pretrain.pth", weights_only=True)
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in before.items())
    weights("export", run_dir, "--stage", "finetune")
    after = torch.load(run_dir / "resnet18-finetune.pth", weights_only=True)
    model = torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]
    assert before.keys() == after.keys()
    assert all(torch.equal(v, model[f"backbone.network.{k}"]) for k, v in after.items())
    assert not torch.equal(before["conv1.weight"], after["conv1.weight"])


def test_mistakes_are_named_and_nothing_is_written(
    weights: Callable[..., str], tmp_path: Path
) -> None:
    def refusal(*arguments: object) -> str:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(SystemExit) as exit_:
            weights(*arguments)
        assert before == {path: path.read_bytes() for path in before}
        assert len(before) == sum(path.is_file() for path in tmp_path.rglob("*"))
        return str(exit_.value)

    run_dir = finish(tmp_path / "run", ResNet(name="resnet18"), "resnet18")
    file = run_dir / "backbone.pt"
    assert "nowhere: no such run" in refusal("export", tmp_path / "nowhere")
    assert "has no model.pt: its finetune stage is" in refusal(
        "export", run_dir, "--stage", "finetune"
    )
    assert "exists and is not overwritten" in refusal("export", run_dir, "--to", file)
    assert "choose backbone=resnet18" in refusal("import", file, "--backbone", "resnet50")
    file.write_bytes(file.read_bytes()[:-50])
    assert "is corrupt or missing" in refusal("export", run_dir)
    assert "not a weights file" in refusal("import", file, "--backbone", "resnet18")
    torch_file.save({"conv1.weight": torch.ones(1)}, file)
    assert "is not a file of a run" in refusal("export", run_dir)


def test_the_command_fails_with_one_message_and_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "import", "none.pt", "--backbone", "resnet18"]
    environment = {**os.environ, "PYTHONPATH": python_path(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert done.stderr.startswith("weights.py: none.pt is not a weights file (FileNotFoundError")
    assert "Traceback" not in done.stderr
