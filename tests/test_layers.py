"""Data flows one way: a file imports only floors below its own, and few may read the config."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "handpose"

# From the ground up; a name stands for a file or a folder of the package.
FLOORS = (
    ("hand", "records", "ranks", "processes", "progress", "noise", "regular"),
    ("geometry", "ridge"),
    ("synthetic", "losses", "metrics", "representation"),
    ("augment",),
    ("data", "backbones"),
    ("objectives", "heads"),
    ("model",),
    ("training",),
    ("evaluate",),
    ("protocols", "submission"),
    ("report",),
    ("doctor",),
    ("config", "resume"),
    ("check", "build"),
    ("rundir",),
    ("study", "sweep", "launch", "soak"),
    ("plugins",),
    ("stages",),
    ("run", "predict", "export", "explore"),
)
READERS_OF_THE_CONFIG = {
    *("check", "config", "build", "stages", "sweep", "run", "launch", "plugins", "resume"),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def floor(name: str) -> int:
    return next(height for height, names in enumerate(FLOORS) if name in names)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports, at any level."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_lies_below(path: Path) -> None:
    own = room(path)
    if own == "__init__":
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "handpose":
            other = parts[1]
            assert other == own or floor(other) < floor(own), f"{own} imports {name}"


def test_parts_never_see_the_configuration() -> None:
    readers = {
        room(path)
        for path in FILES
        if any(name.split(".")[0] in ("hydra", "omegaconf") for name in imported(path))
    }
    assert readers <= READERS_OF_THE_CONFIG


def test_no_file_is_named_for_nothing() -> None:
    assert not [path for path in FILES if path.stem in ("utils", "helpers", "common", "misc")]
