"""Push a finished run to a repository, and pull one as a run directory."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from handpose.hub.bundle import kinds_of, read_bundle, write_bundle
from handpose.hub.manifest import CARD, CONFIG, MANIFEST, RESULTS, read_manifest
from handpose.hub.remote import Listing, Remote, check_sizes


class Pushed(NamedTuple):
    """What was sent, or would be."""

    sizes: dict[str, int]  # bytes by file
    card: str  # text of the model card
    where: str  # empty if nothing was sent


class Pulled(NamedTuple):
    """What was fetched."""

    folder: Path
    kinds: list[str]  # of "backbone" and "model"
    state: str  # commit or path


def push(
    run_dir: Path,
    remote: Remote,
    *,
    kinds: Sequence[str] = (),
    message: str = "",
    dry: bool = False,
) -> Pushed:
    """Sends the weights of a finished run with its model card.

    Args:
        run_dir: the run's directory.
        remote: where to.
        kinds: "backbone", "model" or both; empty for what the run has.
        message: of the commit; empty for one that names the run.
        dry: send nothing.

    Raises:
        ValueError: the run is unfinished or corrupt, or the repository cannot be written.
    """
    if not dry:
        remote.check_upload()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_bundle(run_dir, folder, kinds=kinds or kinds_of(run_dir), name=remote.name)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        card = (folder / CARD).read_text(encoding="utf-8")
        said = message or f"handpose: {', '.join(sorted(sizes))}"
        where = "" if dry else remote.upload(folder, message=said)
    return Pushed(sizes, card, where)


def list_files(remote: Remote) -> Listing:
    """Returns the files that `pull` would fetch.

    Raises:
        ValueError: it is no repository of handpose, or a file is too large.
    """
    listing = remote.listing()
    if missing := [name for name in (MANIFEST, CONFIG, RESULTS) if name not in listing.sizes]:
        raise ValueError(
            f"{remote.where}: has no {' and no '.join(missing)}. Name a repository that "
            "`handpose weights push` wrote"
        )
    check_sizes(listing)
    return listing


def pull(remote: Remote, folder: Path) -> Pulled:
    """Fetches shared weights as a run directory, which appears whole or not at all.

    Args:
        remote: where from.
        folder: the new directory; must not exist.

    Raises:
        ValueError: `folder` exists, or a file is missing, corrupt or unsafe.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists and is not overwritten; choose another folder with --to")
    if not folder.absolute().parent.is_dir():
        raise ValueError(f"{folder.absolute().parent}: no such folder. Create it first")
    listing = list_files(remote)
    own = f".{folder.name}.partial-"
    with tempfile.TemporaryDirectory(prefix=own, dir=folder.absolute().parent) as place:
        fetched, made = Path(place) / "fetched", Path(place) / "made"
        fetched.mkdir()
        made.mkdir()
        remote.download([MANIFEST], fetched, state=listing.state)
        names = read_manifest(fetched)["files"]
        if missing := sorted(names.keys() - listing.sizes.keys()):
            raise ValueError(f"{remote.where}: has no {', '.join(missing)}. Push it again")
        remote.download(sorted(names), fetched, state=listing.state)
        kinds = read_bundle(fetched, made)
        shutil.move(made, folder)
    return Pulled(folder, kinds, listing.state)
