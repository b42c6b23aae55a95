"""Every command in a block of the documentation, run as a reader would, on small data.

A new command is found by itself. What stands for the reader's own is put in by `_OWN`, and what
would take hours is made small by `_smaller`; a program that neither knows fails. Commands run in a
copy of the checkout to which the files that CONTRIBUTING.md shows were added. What they write is
deleted after each. A guide's single training runs in this process, to save its imports.
"""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import documents
import pytest
import torch
import torchvision
import wild_video
import yaml
from documents import DOCUMENTS, ROOT, Shown, commands
from hydra.core.global_hydra import GlobalHydra
from layouts import (
    write_folder,
    write_freihand,
    write_interhand,
    write_manifest,
    write_youtube,
)
from layouts_coco import write_coco, write_predictions
from layouts_dexycb import write_dexycb
from layouts_ho3d import write_ho3d
from layouts_rhd import write_rhd
from network_guard import python_path

from handpose.collect.command import main as collect
from handpose.data.images import read_image
from handpose.hub.remote import Directory
from handpose.hub.transfer import push
from handpose.media.video_writer import VideoWriter

COMMANDS = [shown for document in DOCUMENTS for shown in commands(document)]
_COPIED = ("handpose", "conf", "docs", "scripts", "tests", "train.py", "Makefile")
_COPIED = (*_COPIED, "pyproject.toml", "mkdocs.yml", "README.md", "LICENSE")
# Small, but with as many workers as the command has by itself. Figures take longer than a run.
_WORKERS = "trainer.num_workers=null"
_DEBUG = ("trainer=debug", _WORKERS, "report=false")
_SWEPT = re.compile(r"[\w/@.]+=[\w.+-]+(?:,[\w.+-]+)+")  # KEY=VALUE,VALUE
# Flags with which a command trains nothing, and programs that never do.
_AT_ONCE = ("--help", "--cfg", "--plan", "make ", "pip ", "scripts/override_table.py")


# In a command that needs processes of its own, or files of the copy.
_APART = (" -m ", "trainer.devices", "launcher", "shrink", "--help", "--cfg")


class Place(NamedTuple):
    """A checkout, and what a reader would have beside it."""

    root: Path
    data: Path  # of all datasets
    pictures: Path  # a plain folder
    run: Path  # a finished run
    videos: Path  # a folder
    collected: Path  # from them
    shared: Path  # weights of the run, pushed


# What stands for the reader's own, by the words around it.
_OWN = {
    r"paths\.data=DIR": "paths.data={place.data}",
    r"--config-dir DIR": "--config-dir {place.data}/own",
    r"dataset\.root=DIR": "dataset.root={place.pictures}",
    r"(?<=export-coco )predictions": "{place.data}/predictions",
    r"(?<=predict RUN )DIR": "{place.data}/freihand/training/rgb",
    r"(?<=handpose detect )DIR": "{place.data}/freihand/training/rgb",
    # Instead of MediaPipe, the detector that the guide shows.
    r"(?<=--model )hand_landmarker\.task": "own_hands:find",
    r"(?<=--detector )hand_landmarker\.task": "own_hands:find",
    r"dataset\.quarantine=FILE": "dataset.quarantine={place.data}/none.csv",
    r"(?<=collect )VIDEOS (OUT|FRAMES)": r"{place.videos} {place.root}/\1",
    r"(?<==)OUT\b": "{place.collected}",
    r"\bFILE\b": "{place.data}/foreign.pth",
    r"\bRUN\b": "{place.run}",
    r"\bVIDEO\b": "{place.data}/clip.mp4",
    r"\bNEW\b": "{place.root}/new",
    r"(?<=pull )OWNER/NAME --to MODEL": "{place.shared} --to {place.root}/pulled",
    r"(?<=predict )MODEL DIR": "{place.run} {place.data}/freihand/training/rgb",
    r"\bOWNER/NAME\b": "{place.root}/pushed",
}


def _slow(shown: Shown) -> bool:
    takes_datasets = "paths.data=DIR" in shown.text  # `place`, which trains
    return takes_datasets or not any(words in shown.text for words in _AT_ONCE)


def _smaller(words: list[str]) -> list[str]:
    """The same in little: every training is of `trainer=debug`, a GPU is a CPU, and so on."""
    text = " ".join(words)
    if "--help" in words or "--cfg" in words:
        return words
    if words[0] == "make":
        return ["make", "--dry-run", *words[1:]]
    if {"scripts/gpu_check.sh", "scripts/gpu_study.sh"} & set(words):  # each part ends at once
        return ["PYTHON=true", *words]
    if "dashboard" in words and "--dry-run" not in words:  # asks W&B
        return [*words, "--dry-run"]
    if "--make-model" in words:  # downloads
        return [*words, "--help"]
    if "pip" in words:
        return [*words, "--dry-run", "--no-deps", "--no-build-isolation", "--quiet"]
    if "pytest" in words:
        return [*words, "--collect-only", "-p", "no:cacheprovider"]
    if "--submission" in words:
        words = [*words, "--any-length"]  # FreiHAND's own has 3,960 pictures
    if "train.py" in text or "handpose train" in text:
        gone = ("trainer=", "trainer.devices=[", "trainer.num_workers=")
        gone += ("hydra.launcher.gpus_per_node=", "hydra.launcher.partition=")
        return [*(_fewer(word) for word in words if not word.startswith(gone)), *_DEBUG]
    return words


def _fewer(word: str) -> str:
    """The first and the last value of a sweep, and two trials."""
    if word.startswith("hydra.sweeper.n_trials="):
        return "hydra.sweeper.n_trials=2"
    if not _SWEPT.fullmatch(word):
        return word
    key, _, values = word.partition("=")
    first, *_, last = values.split(",")
    return f"{key}={first},{last}"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the files that guides show, and studies of two arms, one seed and all labels."""
    root = tmp_path_factory.mktemp("documentation") / "checkout"
    root.mkdir()
    for name in _COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    for guide in ("adding_a_part", "wild_video"):
        for path, content in documents.files(ROOT / f"docs/guide/{guide}.md").items():
            (root / path).write_text(content)
    for path in (root / "handpose" / "study" / "definitions").glob("*.yaml"):
        study = yaml.safe_load(path.read_text())
        study["seeds"], study["fractions"] = study["seeds"][:1], study["fractions"][-1:]
        study["pretrain"]["arms"] = dict(list(study["pretrain"]["arms"].items())[:2])
        study["common"] += _DEBUG
        whole = ("tune", "compare", "conditions", "primary")  # name what was left out
        small = {key: value for key, value in study.items() if key not in whole}
        path.write_text(yaml.safe_dump(small))
    return root


@pytest.fixture(scope="session")
def place(checkout: Path) -> Place:
    """Small datasets, a folder of pictures with the boxes that are documented, weights, a run."""
    folder = checkout.parent
    names = ("data", "pictures", "run", "videos", "collected", "shared")
    place = Place(checkout, *(folder / name for name in names))
    write_freihand(place.data / "freihand", annotations=40, versions=1)
    write_interhand(place.data / "interhand")
    write_coco(place.data / "coco", train=40)
    write_predictions(place.data / "predictions")
    write_manifest(place.data / "manifest", train=20)
    write_youtube(place.data / "youtube")
    write_rhd(place.data / "rhd")
    write_dexycb(place.data / "dexycb", subjects=(0, 6, 7), places=(0, 2))
    write_ho3d(place.data / "ho3d")
    (place.data / "own").mkdir()
    (place.data / "own" / "mine.yaml").write_text("defaults: [config, _self_]\n")
    (place.data / "none.csv").write_text("file,reason\n")
    with VideoWriter(place.data / "clip.mp4", 25) as video:
        for path in sorted((place.data / "freihand/training/rgb").glob("*.jpg"))[:8]:
            video.write(read_image(path))
    torch.save(torchvision.models.resnet18().state_dict(), place.data / "foreign.pth")
    place.videos.mkdir()
    wild_video.write_wild_video(place.videos / "clip.mp4", seconds=60)
    collect([str(place.videos), str(place.collected), "--model", "wild_video:detect"])
    images = write_folder(place.pictures)
    (table,) = (
        b for _, kind, b in documents.blocks(ROOT / "docs/guide/sources.md") if kind == "csv"
    )
    rows = [",".join([name, *table.splitlines()[2].split(",")[1:]]) for name in images]
    (place.pictures / "boxes.csv").write_text("\n".join([table.splitlines()[0], *rows]))
    training = f"python train.py {' '.join(_DEBUG)} report=true hydra.run.dir={place.run}"
    run(training, checkout, dict(os.environ))
    push(place.run, Directory(place.shared))
    return place


@pytest.fixture
def _tidy(checkout: Path) -> Iterator[None]:
    """Deletes what a command wrote into the copy, except renders: a training has 100 MB."""
    before = {path.name for path in checkout.iterdir()} | {"cache"}
    yield
    new = [path for path in checkout.iterdir() if path.name not in before]
    for path in [*new, checkout / "cache" / "encoders", checkout / "cache" / "packed"]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _runs_here(shown: Shown, words: list[str]) -> bool:
    """Whether it is a guide's single training; those of the README are run as they stand."""
    text, is_guide = " ".join(words), shown.place.startswith("docs/")
    is_training = text.startswith(("handpose train ", "python train.py "))
    return is_guide and is_training and not any(words in text for words in _APART)


def train_here(words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains in this process, without data workers."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    arguments = [word for word in words[2:] if word != _WORKERS]
    monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py"), *arguments])
    GlobalHydra.instance().clear()
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        GlobalHydra.instance().clear()
    assert list(root.glob("runs/**/results.json")), "no run was finished"


def run(command: str, root: Path, environment: dict[str, str]) -> str:
    """What a command prints; it must end well."""
    words = shlex.split(command)
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment = environment | {name: value}
    programs = {
        "python": [sys.executable],
        "handpose": [sys.executable, "-m", "handpose"],
        "pip": [sys.executable, "-m", "pip"],
        "torchrun": [sys.executable, "-m", "torch.distributed.run", "--standalone"],
        "make": ["make"],
        "bash": ["bash"],
    }
    assert words[0] in programs, f"{words[0]}: say in this file how it is run"
    done = subprocess.run(
        [*programs[words[0]], *words[1:]],
        cwd=root,
        env=environment
        | {"PYTHONPATH": python_path(root), "COLUMNS": "120", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def test_there_are_commands_for_every_reader() -> None:
    texts = [shown.text for shown in COMMANDS]
    for words in ("make train", "dataset=freihand", "dataset=folder", "launcher=slurm", "shrink"):
        assert any(words in text for text in texts)
    assert not [text for text in texts if "..." in text], "write it out whole"


def _parameters() -> list[object]:
    """The commands; of those that are the same in little, the first."""
    found = {tuple(_smaller(shlex.split(s.text))): s for s in reversed(COMMANDS)}
    marks = {True: [pytest.mark.slow], False: []}
    return [
        pytest.param(shown, marks=marks[_slow(shown)], id=f"{shown.place} {shown.text[:60]}")
        for shown in reversed(found.values())
    ]


@pytest.mark.usefixtures("_tidy")
@pytest.mark.parametrize("shown", _parameters())
def test_a_command_does_what_it_says(
    shown: Shown,
    checkout: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment, command = dict(os.environ), shown.text
    if "launcher=slurm" in command:
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
        environment = request.getfixturevalue("slurm").env
    if "launcher=joblib" in command:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    if any(re.search(own, command) for own in _OWN):
        place = request.getfixturevalue("place")
        for own, found in _OWN.items():
            command = re.sub(own, found.format(place=place), command)
    words = _smaller(shlex.split(command))
    if _runs_here(shown, words):
        return train_here(words, checkout, monkeypatch)
    output = run(shlex.join(words), checkout, environment)
    assert "does not provide the extra" not in output


@pytest.mark.slow
def test_a_command_that_is_wrong_fails(checkout: Path) -> None:
    for wrong in ("python train.py objectve=relative", "make tset", "python scripts/nothing.py"):
        with pytest.raises(AssertionError):
            run(shlex.join(_smaller(wrong.split())), checkout, dict(os.environ))
    with pytest.raises(AssertionError, match="say in this file how it is run"):
        run("conda install handpose", checkout, dict(os.environ))
