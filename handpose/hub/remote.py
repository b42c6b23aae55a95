"""Where shared folders lie: on the Hugging Face Hub, or in a directory of the same layout.

Nothing here is called, and huggingface_hub is not imported, unless a command names a repository.
"""

import importlib.util
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from handpose.hub.hub_errors import plain_errors
from handpose.hub.manifest import KNOWN, MANIFEST, copy, largest

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class Listing(NamedTuple):
    """The files of a shared folder in one state."""

    sizes: dict[str, int]  # bytes
    state: str  # commit of a repository, path of a directory


class Remote(ABC):
    """A place for a shared folder."""

    name: str  # "owner/name" on the Hub, else ""
    where: str  # as messages show it

    @abstractmethod
    def check_upload(self) -> None:
        """Raises ValueError if an upload cannot work, before any work is done."""

    @abstractmethod
    def upload(self, folder: Path, *, message: str) -> str:
        """Stores all files of `folder` in place of an earlier version; returns where.

        Args:
            folder: a shared folder.
            message: of the commit.
        """

    @abstractmethod
    def listing(self) -> Listing:
        """Returns names and sizes of the files of a shared folder, without reading them."""

    @abstractmethod
    def download(self, names: Sequence[str], folder: Path, *, state: str) -> None:
        """Copies files of one state into `folder`.

        Args:
            names: of files in the listing.
            folder: exists.
            state: of the listing.
        """


class Directory(Remote):
    """A shared folder on this machine.

    Args:
        path: of the folder.
    """

    name = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)

    def check_upload(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; name a folder")
        is_other = not (self.path / MANIFEST).is_file()
        if self.path.is_dir() and is_other and any(self.path.iterdir()):
            raise ValueError(
                f"{self.path} holds other files and has no {MANIFEST}; name an empty folder"
            )
        if not self.path.parent.is_dir():
            raise ValueError(f"{self.path.parent}: no such folder. Create it first")

    def upload(self, folder: Path, *, message: str) -> str:
        self.path.mkdir(exist_ok=True)
        new = sorted(path.name for path in folder.iterdir())
        (self.path / MANIFEST).unlink(missing_ok=True)  # half a folder is none
        for name in set(KNOWN) - set(new):
            (self.path / name).unlink(missing_ok=True)
        for name in sorted(new, key=lambda name: name == MANIFEST):
            copy(folder / name, self.path / name)
        return str(self.path)

    def listing(self) -> Listing:
        if not self.path.is_dir():
            raise ValueError(f"{self.path}: no such folder")
        files = [path for path in self.path.iterdir() if path.name in KNOWN and path.is_file()]
        return Listing({path.name: path.stat().st_size for path in files}, str(self.path))

    def download(self, names: Sequence[str], folder: Path, *, state: str) -> None:
        for name in names:
            copy(self.path / name, folder / name)


class HuggingFace(Remote):
    """A model repository on the Hugging Face Hub.

    Args:
        name: "owner/name".
        revision: branch to write; branch, tag or commit to read. None for the default branch.
        private: whether a repository that does not exist yet is made private.
        client: a `huggingface_hub.HfApi`; None for a new one.
    """

    def __init__(
        self, name: str, *, revision: str | None = None, private: bool = False, client: Any = None
    ) -> None:
        self.name, self.revision, self.private = name, revision, private
        self.where = f"https://huggingface.co/{name}"
        self._client = client

    @property
    def client(self) -> Any:
        """The client of the Hub; it reads the token of the environment or of the login."""
        if self._client is None:
            if importlib.util.find_spec("huggingface_hub") is None:
                raise ValueError(
                    f'{self.name}: huggingface_hub is not installed; pip install "handpose[hub]". '
                    "Or name a folder, such as ./shared"
                )
            from huggingface_hub import HfApi

            self._client = HfApi(library_name="handpose")
        return self._client

    def check_upload(self) -> None:
        with plain_errors(self.name):
            self.client.whoami()

    def upload(self, folder: Path, *, message: str) -> str:
        new = {path.name for path in folder.iterdir()}
        with plain_errors(self.name):
            self.client.create_repo(self.name, private=self.private, exist_ok=True)
            if self.revision is not None:
                self.client.create_branch(self.name, branch=self.revision, exist_ok=True)
            commit = self.client.upload_folder(
                repo_id=self.name,
                folder_path=str(folder),
                commit_message=message,
                revision=self.revision,
                delete_patterns=sorted(set(KNOWN) - new),
            )
        return f"{self.where}, commit {commit.oid}"

    def listing(self) -> Listing:
        with plain_errors(self.name):
            info = self.client.model_info(self.name, revision=self.revision, files_metadata=True)
        files = {file.rfilename: int(file.size or 0) for file in info.siblings or ()}
        return Listing({name: files[name] for name in KNOWN if name in files}, str(info.sha))

    def download(self, names: Sequence[str], folder: Path, *, state: str) -> None:
        for name in names:
            with plain_errors(self.name):
                path = self.client.hf_hub_download(
                    self.name, name, revision=state, local_dir=str(folder)
                )
            # The client must not have written to another place.
            if Path(path).resolve() != (folder / name).resolve():
                raise ValueError(f"{self.name}: {name} was stored as {path}; it is not read")
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's own notes


def find_remote(text: str, *, revision: str | None = None, private: bool = False) -> Remote:
    """Returns the place that REPO names.

    A folder that exists, or a path that begins with /, ., or ~, is a directory.

    Args:
        text: "owner/name", or a path.
        revision: branch, tag or commit; only on the Hub.
        private: only on the Hub.

    Raises:
        ValueError: it is neither, or a directory with options of the Hub.
    """
    path = Path(os.path.expanduser(text))  # noqa: PTH111  # of ~ alone, as a shell does
    if text.startswith(("/", ".", "~")) or (text and path.is_dir()):
        for option, value in (("--revision", revision), ("--private", private)):
            if value:
                raise ValueError(f"{option}: {text} is a folder, which has none; leave it out")
        return Directory(path)
    if not _REPOSITORY.fullmatch(text):
        raise ValueError(
            f"{text}: name a repository as OWNER/NAME, or a folder as a path such as ./{path.name}"
        )
    return HuggingFace(text, revision=revision, private=private)


def check_sizes(listing: Listing) -> None:
    """Raises ValueError if a file is larger than any file of a shared folder may be."""
    for name, size in listing.sizes.items():
        if size > largest(name):
            raise ValueError(f"{name}: {size:,} bytes, the limit is {largest(name):,}; not read")
