"""Export the encoder of a run, import weights of another project, or share weights.

export RUN writes the encoder after either stage as a plain state dict, with the names of
torchvision (ResNet) or timm (all others) and without a classifier. It prints code that loads it
strictly. import FILE reads a file of torchvision, timm, PeCLR, MoCo or mmpose, reports what
matched, and writes a backbone.pt for backbone.weights=FILE. Neither overwrites a file, and
neither downloads one.

push RUN REPO writes the run's weights as safetensors, with configuration, results and a model card
that states the terms of the data, to the Hugging Face Hub or to a folder. pull REPO fetches them as
a directory that `handpose predict` and backbone.weights take, and verifies every file. The Hub
needs the extra `hub`: pip install "handpose[hub]"; push needs a login (`hf auth login`, $HF_TOKEN).
"""

import argparse
import hashlib
import pickle
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpose.config.catalogue import CONF
from handpose.config.checks.backbone_fit import choice_of
from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import ends_with_message
from handpose.hub.command import add_commands
from handpose.invocation import typed
from handpose.pipeline.run_directory import MODEL

if TYPE_CHECKING:
    from torch import Tensor

_BACKBONES = CONF / "backbone"
# File in the run directory and prefix of the encoder's names in it.
_STAGES = {"pretrain": ("backbone.pt", ""), "finetune": (MODEL, "backbone.network.")}
_LOADERS = {
    "resnet18_half": 'network = timm.create_model("resnet18", num_classes=0, '
    "channels=(32, 64, 128, 256))",
    "resnet": "network = torchvision.models.{name}(); network.fc = torch.nn.Identity()",
    "hrnet": 'network = timm.create_model("{name}", features_only=True, feature_location="")',
    "": 'network = timm.create_model("{name}", num_classes=0{options})',
}


def main(argv: list[str] | None = None) -> None:
    """Export or import weights; exit with code 1 and one message after an error.

    Args:
        argv: command line; None for that of the process.
    """
    arguments = _arguments(argv)
    with ends_with_message():
        if arguments.to is not None:
            _refuse_existing(arguments.to)
            require_writable("--to", arguments.to.absolute().parent)
        arguments.command(arguments)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="export|import|push|pull")
    export = commands.add_parser("export", help="write a run's encoder as a plain state dict")
    export.add_argument("run", type=path_argument, metavar="RUN")
    export.add_argument(
        "--stage",
        choices=list(_STAGES),
        default="pretrain",
        help="export the encoder after this stage",
    )
    export.add_argument(
        "--to", type=path_argument, metavar="FILE", help="default: RUN/<backbone>-<stage>.pth"
    )
    export.set_defaults(command=_export)
    foreign = commands.add_parser("import", help="convert another project's file to a backbone.pt")
    foreign.add_argument("file", type=path_argument, metavar="FILE")
    names = sorted(path.stem for path in _BACKBONES.glob("*.yaml"))
    foreign.add_argument(
        "--backbone",
        required=True,
        metavar="NAME",
        help=f"architecture of the weights: {', '.join(names)}, or a name of timm",
    )
    foreign.add_argument(
        "--to", type=path_argument, metavar="FILE", help="default: <FILE>.backbone.pt"
    )
    foreign.set_defaults(command=_import)
    add_commands(commands)
    return parser.parse_args(argv)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise ValueError(f"{path} exists and is not overwritten; choose another file with --to")


def _export(arguments: argparse.Namespace) -> None:
    run, stage = arguments.run, arguments.stage
    name, prefix = _STAGES[stage]
    if not (run / name).is_file():
        what = (
            f"has no {name}: its {stage} stage is not finished" if run.is_dir() else "no such run"
        )
        raise ValueError(f"{run}: {what}")
    state, meta = _read_run(run / name, prefix)
    path = arguments.to or run / f"{meta['backbone']}-{stage}.pth"
    _write(state, path, backbone=meta["backbone"])
    if stage == "pretrain" and meta["objective"] is None:
        print("the run has objective=none: this encoder is not pre-trained")
    _print_loader(meta["backbone"], path)


def _read_run(path: Path, prefix: str) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Read the tensors below `prefix` and the "meta" of a run's file."""
    from handpose.weights import torch_file

    try:
        content = torch_file.load(path)
        state, meta = content["state_dict"], content["meta"]
    except (pickle.UnpicklingError, KeyError, TypeError):
        raise ValueError(f"{path} is not a file of a run; none of its code was executed") from None
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }, meta


def _import(arguments: argparse.Namespace) -> None:
    file, name = arguments.file, arguments.backbone
    path = arguments.to or file.with_name(f"{file.name}.backbone.pt")
    _refuse_existing(path)
    from handpose.weights import torch_file
    from handpose.weights.load import load_file

    backbone, name = _build(name)
    report = load_file(backbone.network, file, adapt=backbone.adapt)
    print("\n".join([f"{file}:", *(f"  {line}" for line in report.lines())]))
    source = {"file": file.name, "sha256": _sha256(file), "naming": report.translation.naming}
    meta: dict[str, Any] = {
        "backbone": name,
        "objective": None,
        "head": None,
        "seed": None,
        "results": {},
    }
    meta |= {"imported": source, **backbone.statistics}
    content = {"state_dict": backbone.network.state_dict(), "meta": meta}
    _write(torch_file.versioned(content), path, backbone=name)
    command = [*typed("train"), *choice_of(name), f"backbone.weights={path}"]
    print(f"train from it: {shlex.join(command)}")


def _build(name: str) -> tuple[Any, str]:
    """Return the backbone of a choice of conf/ or a name of timm, and the name of its model."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    is_choice = (file := _BACKBONES / f"{name}.yaml").is_file()
    node = OmegaConf.load(file if is_choice else _BACKBONES / "timm.yaml")
    if not is_choice:
        node.name = name
    return instantiate(node, _convert_="all"), str(node.name)


def _write(content: dict[str, Any], path: Path, *, backbone: str) -> None:
    """Write a state dict, or content with "state_dict" and "meta"; print its size and checksum."""
    from handpose.weights import torch_file

    _refuse_existing(path)
    torch_file.save(content, path)
    state = content.get("state_dict", content)
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    parameters = [value.numel() for key, value in state.items() if not key.endswith(statistics)]
    print(f"wrote {path}: {backbone}, {len(state)} tensors, {sum(parameters):,} parameters")
    print(f"sha256 {_sha256(path)}")


def _print_loader(backbone: str, path: Path) -> None:
    is_choice = (_BACKBONES / f"{backbone}.yaml").is_file()
    family = next(
        name for name in _LOADERS if backbone.startswith(name) and (is_choice or not name)
    )
    options = "" if family else _options(backbone)
    print("load it with:")
    print(f"  {_LOADERS[family].format(name=backbone, options=options)}")
    print(f'  network.load_state_dict(torch.load("{path}", weights_only=True))')


def _options(backbone: str) -> str:
    """Return the options of `timm.create_model` with which this model takes images of any size."""
    from handpose.backbones.timm_model import flexible_options

    found = flexible_options(backbone)
    return "".join(f", {key}={value}" for key, value in found.items())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
