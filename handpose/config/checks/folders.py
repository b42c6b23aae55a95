"""Files and folders that a run needs: data, weights, and places to write."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from handpose.config.catalogue import REFERENCE, Catalogue
from handpose.config.checks.combinations import dataset_keys, stages
from handpose.config.checks.safety import class_value, documented_layout
from handpose.config.content import Content, found_value, lookup
from handpose.data.positives.joint_places import joint_files
from handpose.files import LARGEST_TEXT, regular
from handpose.messages import did_you_mean, nearest

# Keys of a dataset that name a file.
_FILES = ("quarantine", "joint_regressor")
_MODEL = "model.pt"
# Words of backbone.weights: each kind of backbone knows one at most (`Backbone.published`).
_PUBLISHED = ("imagenet", "pretrained")
# Keys that must be equal to reuse a model in another run.
_COMMON = ("backbone.name", "head._target_", "head.root", "head.root_depth", "reference_bone")
_JOINTS_READER = "handpose.data.positives.joint_places.find_table"


def file_problems(cfg: DictConfig, content: Content, catalogue: Catalogue) -> list[str]:
    """Return a problem for each missing file or folder that the run needs.

    Args:
        cfg: the composed configuration.
        content: the same, with references unresolved.
        catalogue: the existing groups, choices and keys.
    """
    problems: list[str | None] = []
    for dataset in dict.fromkeys(_place(content, key) for key in dataset_keys(cfg)):
        sources, parts = (found_value(cfg, f"{dataset}.{key}") for key in ("sources", "parts"))
        used = [dataset]
        if isinstance(sources, list) and isinstance(parts, dict):  # a mix
            used = [f"{dataset}.parts.{name}" for name in sources if name in parts]
            problems += [
                f"{dataset}.sources: there is no source {n}{did_you_mean(nearest(str(n), parts))}"
                for n in sources
                if n not in parts
            ]
        for source in used:
            problems.append(_data_problem(cfg, source, catalogue))
            problems += [_missing_file(cfg, f"{source}.{key}") for key in _FILES]
    problems += [_weights_problem(cfg), *start_problems(cfg), _mined_joints_problem(cfg)]
    cache = found_value(cfg, "paths.cache")
    if isinstance(cache, str) and not _is_filled(Path(cache)):  # a filled cache may be read-only
        problems.append(unwritable("paths.cache", cache))
    return [problem for problem in problems if problem]


def _place(content: Content, path: str) -> str:
    """Return the key of a dataset: its own, or the key shared by both stages."""
    match = REFERENCE.fullmatch(str(lookup(content, path)))
    return match[1] if match else path


def _data_problem(cfg: DictConfig, source: str, catalogue: Catalogue) -> str | None:
    """Return where a dataset is missing, with its expected layout."""
    target, root = found_value(cfg, f"{source}._target_"), found_value(cfg, f"{source}.root")
    if not isinstance(target, str) or not isinstance(root, str):
        return None
    landmarks = class_value(target, "landmarks") or (found_value(cfg, f"{source}.file") or "",)
    folder = Path(root)
    near = None if _has_any(folder, landmarks) else _nearby(folder, landmarks)
    if near is not None:
        found = next(name for name in landmarks if name and (near / name).exists())
        what = f"there is no {found}" if folder.is_dir() else "no such directory"
        write = shlex.quote(f"{source}.root={near}")
        return f"{source}.root={root}: {what}; {found} is in {near}: write {write}"
    example = lookup(catalogue.part("dataset", target), "root")
    if _is_filled(folder) or "${paths.data}" not in str(example):
        return None  # the index finds missing files; other roots are created on first use
    what = "is empty" if folder.is_dir() else "no such directory"
    layout = documented_layout(target).replace("\n", "\n    ")
    return (
        f"{source}.root={root}: {what} ({folder.absolute()}). Unpack the dataset there, or set "
        f"{source}.root=DIR, or paths.data=DIR, the folder of all datasets.\n"
        f"Expected, with ROOT that directory:\n    {layout}"
    )


def _nearby(root: Path, landmarks: Sequence[str]) -> Path | None:
    """Return a folder with a landmark of the dataset one level below, above or beside the root."""
    root = root.absolute()
    places = [*_folders(root), root.parent, root.parent.parent, *_folders(root.parent)]
    return next((place for place in places if _has_any(place, landmarks)), None)


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:
        return []


def _has_any(root: Path, landmarks: Sequence[str]) -> bool:
    try:
        return any((root / landmark).exists() for landmark in landmarks if landmark)
    except OSError:  # not readable
        return False


def _is_filled(path: Path) -> bool:
    return os.path.isdir(path) and any(path.iterdir())  # noqa: PTH112  # False for a long name


def _missing_file(cfg: DictConfig, key: str) -> str | None:
    value = found_value(cfg, key)
    if not isinstance(value, str) or Path(value).is_file():
        return None
    return f"{key}={value}: no such file ({Path(value).absolute()})"


def _weights_problem(cfg: DictConfig) -> str | None:
    weights = found_value(cfg, "backbone.weights")
    published = class_value(found_value(cfg, "backbone._target_"), "published")
    if not isinstance(weights, str) or weights == published or Path(weights).is_file():
        return None
    words = [] if published is None else [str(published)]
    set_to = ", ".join(["null (random)", *(f"{word} (a download)" for word in words)])
    advice = f"Set {set_to}, or the path of a file of weights"
    if weights in _PUBLISHED:
        return f"backbone.weights={weights}: this backbone has no such weights. {advice}"
    inside = Path(weights) / "backbone.pt"
    hint = did_you_mean([str(inside)] if inside.is_file() else nearest(weights, words))
    return f"backbone.weights={weights}: no such file ({Path(weights).absolute()}). {advice}{hint}"


def model_file(init_from: str) -> Path:
    """Return the file that `init_from` names, or model.pt of the run that it names."""
    path = Path(init_from)
    return path / _MODEL if path.is_dir() else path


def start_problems(cfg: DictConfig) -> list[str]:
    """Return why this run cannot continue from the model of `init_from`."""
    given = found_value(cfg, "init_from")
    if not isinstance(given, str):
        return []
    start, problems = "init_from: fine-tunes the model of another run, backbone and head", []
    if not (file := model_file(given)).is_file():
        problems.append(
            f"init_from={given}: no such file ({file.absolute()}). Set a run with a {_MODEL}"
        )
    if found_value(cfg, "head._target_") is None:
        problems.append(f"{start}; choose that head, or set backbone.weights=RUN/backbone.pt")
    elif found_value(cfg, "objective._target_") is not None:
        problems.append(f"{start}, and pre-training would be lost; add objective=none")
    elif found_value(cfg, "backbone.weights") is not None:
        problems.append(f"{start}; add backbone.weights=null")
    return problems + [
        f"init_from={given}: has {key}={before}, and this run {found_value(cfg, key)}"
        for key, before in _settings_of(file)
        if before not in (None, found_value(cfg, key))
    ]


def _settings_of(model: Path) -> list[tuple[str, Any]]:
    """Return the settings of a model's run that a new run must share, if known."""
    try:
        file = regular(model.parent / "config.json", most=LARGEST_TEXT)
        before = json.loads(file.read_text())
    except (OSError, ValueError):
        return []  # a file without its run; a misfit is found when it is loaded
    return [(key, lookup(before, key)) for key in _COMMON]


def _mined_joints_problem(cfg: DictConfig) -> str | None:
    """Return which files are missing in the folder `pretrain.mining.joints`."""
    joints = found_value(cfg, "pretrain.mining.joints")
    is_mined = found_value(cfg, "pretrain.positives") == "mined" and "pretrain" in stages(cfg)
    if not is_mined or not isinstance(joints, str) or joints == "given":
        return None
    missing = [file.name for file in joint_files(joints) if not file.is_file()]
    layout = documented_layout(_JOINTS_READER).replace("\n", "\n    ")
    return (
        f"pretrain.mining.joints={joints}: there is no {' and no '.join(missing)} "
        f"({Path(joints).absolute()}). Set `given` for the labels, or a folder:\n"
        f"    {layout}"
        if missing
        else None
    )


def require_writable(key: str, folder: Path) -> None:
    """Exit with a message if the output folder cannot be written.

    Args:
        key: the option that sets the folder, as typed.
        folder: where the results go; need not exist.

    Raises:
        SystemExit: it cannot be made or written; says why and which option to use.
    """
    if problem := unwritable(key, str(folder)):
        raise SystemExit(f"{Path(sys.argv[0]).name}: {problem}")


def first_existing(path: Path) -> Path:
    """Return a folder, or the nearest above it that exists."""
    path = path.absolute()
    return next(above for above in (path, *path.parents) if above.exists())


def unwritable(key: str, folder: str) -> str | None:
    """Return why a folder cannot be created or written, or None.

    Args:
        key: the key or option that sets the folder, for the message.
        folder: path of the folder; need not exist.
    """
    existing = path = Path(folder).absolute()
    try:
        existing = first_existing(path)
        links = [p for p in (path, *path.parents) if p.is_symlink() and not p.exists()]
        if links:
            return f"{key}={folder}: {links[0]} is a broken symlink; choose another folder"
        if not existing.is_dir():
            return f"{key}={folder}: {existing} is a file, not a directory; choose another place"
        with TemporaryDirectory(prefix=".handpose-", dir=existing):
            return None
    except OSError as error:  # permissions, a read-only mount, a quota, a full disk, a long name
        reason = error.strerror or error
        return f"{key}={folder}: {existing} cannot be written ({reason}); choose another place"
