"""What a shared folder holds, and the checks on one that comes from elsewhere.

handpose.json            format_version, handpose, files {name: {sha256, bytes}}, and for each of
                         "backbone" and "model" its {meta, ...} (see `torch_file`)
README.md                the model card
config.json              the run's configuration, without folders of the machine
results.json             its results
backbone.safetensors     the encoder after pre-training, in the names of torchvision or timm
decoder.safetensors      its decoder, if it has one
model.safetensors        the fine-tuned model, backbone and head, unless the run has no head
calibration.safetensors  of its confidence, if it is calibrated
"""

import hashlib
from pathlib import Path
from typing import Any

from handpose import __version__
from handpose.files import LARGEST_TEXT, LARGEST_WEIGHTS, read_json_object, regular, replacing
from handpose.pipeline.run_directory import CONFIG, RESULTS, write_json

MANIFEST, CARD = "handpose.json", "README.md"
BACKBONE, DECODER = "backbone.safetensors", "decoder.safetensors"
MODEL, CALIBRATION = "model.safetensors", "calibration.safetensors"
TEXTS, TENSORS = (CARD, CONFIG, RESULTS), (BACKBONE, DECODER, MODEL, CALIBRATION)
KNOWN = (MANIFEST, *TEXTS, *TENSORS)
# Increase it when an older handpose would misread a new folder.
FORMAT_VERSION = 1


def largest(name: str) -> int:
    """Returns the largest size in bytes of a file of a shared folder."""
    return LARGEST_WEIGHTS if name in TENSORS else LARGEST_TEXT


def write_manifest(folder: Path, weights: dict[str, dict[str, Any]]) -> None:
    """Writes handpose.json for the files of a folder.

    Args:
        folder: has all other files.
        weights: "backbone" and "model" -> what is beside their tensors.
    """
    files = {path.name: describe(path) for path in sorted(folder.iterdir())}
    content = {"format_version": FORMAT_VERSION, "handpose": __version__, "files": files}
    write_json(folder / MANIFEST, content | weights)


def describe(path: Path) -> dict[str, Any]:
    """Returns the checksum and the size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads handpose.json and checks its form.

    Raises:
        ValueError: it is missing, malformed or of a newer format, or names an unknown file.
    """
    path = folder / MANIFEST
    try:
        content = read_json_object(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: cannot be read ({error}). Name what `handpose weights push` wrote"
        ) from None
    version, files = content.get("format_version"), content.get("files")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ValueError(
            f"{path} was written by a newer handpose (format {version}; this one reads up to "
            f"{FORMAT_VERSION}). Update handpose"
        )
    if not isinstance(files, dict) or not all(isinstance(own, dict) for own in files.values()):
        raise ValueError(f"{path}: its `files` is not a table of checksums. Get the files again")
    if unknown := sorted(files.keys() - set(KNOWN)):
        raise ValueError(f"{path}: names unknown files, {', '.join(unknown)}. None was read")
    if missing := [name for name in (CONFIG, RESULTS) if name not in files]:
        raise ValueError(f"{path}: names no {' and no '.join(missing)}. Get the files again")
    return content


def verify(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    """Checks size and checksum of every file.

    Args:
        folder: has the files.
        files: "files" of the manifest.

    Raises:
        ValueError: one is missing, too large, no regular file, or differs; names it.
    """
    for name, expected in files.items():
        try:
            found = describe(regular(folder / name, most=largest(name)))
        except OSError as error:
            raise ValueError(f"{folder / name}: {error.strerror}. Get the files again") from None
        if found != expected:
            raise ValueError(
                f"{folder / name} is corrupt: {MANIFEST} has sha256 {expected.get('sha256')} and "
                f"{expected.get('bytes')} bytes, the file {found['sha256']} and {found['bytes']}. "
                "Get the files again"
            )


def copy(source: Path, target: Path) -> None:
    """Copies a regular file of a shared folder, replacing `target` as a whole.

    Args:
        source: the file; its name decides how large it may be.
        target: the new file.

    Raises:
        ValueError: `source` is missing, too large or no regular file.
    """
    try:
        regular(source, most=largest(source.name))
    except OSError as error:
        raise ValueError(f"{source}: {error.strerror}") from None
    with replacing(target) as partial, source.open("rb") as read, partial.open("wb") as written:
        while block := read.read(1 << 22):
            written.write(block)
