"""Data flows one way: a file imports only floors below its own, and few may read the config."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "handpose"

# From the ground up; a name stands for a file or a folder of the package, the longest that fits.
FLOORS = (
    (
        *("skeleton", "records", "progress", "files", "messages", "distributed", "invocation"),
        "__version__",
        "pipeline.third_party_messages",
    ),
    ("provenance",),
    ("geometry", "coco_format"),
    ("evaluation.pose_errors", "evaluation.ridge"),
    ("evaluation.embedding_health",),
    ("augment",),
    ("data", "weights"),
    ("media",),
    ("detect",),
    ("backbones",),
    ("objectives", "heads"),
    ("model",),
    ("training",),
    ("evaluation",),
    ("report",),
    ("loggers",),
    ("pipeline.resume",),
    ("config",),
    ("pipeline.run_directory", "pipeline.stages.encoder_key"),
    ("study", "sweep", "pipeline.launch"),
    ("plugins",),
    ("pipeline",),
    ("doctor", "predict", "export", "export_coco", "explore", "collect", "pack", "dashboard"),
    ("hub",),
    ("cli",),  # and the module `command` of each application
    ("__main__",),
)
READERS_OF_THE_CONFIG = {
    "cli",
    "config",
    "pipeline",
    "sweep",
    "plugins",
    "doctor",
    "explore",
    "export",
    "hub",
    "pack",
    "study",
}
FILES = sorted(PACKAGE.rglob("*.py"))


def place(name: str) -> str:
    """The longest entry of FLOORS that a module's name below the package begins with."""
    parts = name.split(".")
    if parts[1:2] == ["command"]:
        return "cli"
    known = {entry for names in FLOORS for entry in names}
    prefixes = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next(prefix for prefix in prefixes if prefix in known)


def floor(name: str) -> int:
    return next(height for height, names in enumerate(FLOORS) if place(name) in names)


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


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
    own = module(path)
    if path.parent == PACKAGE and path.stem == "__init__":
        return
    for name in imported(path):
        other = name.removeprefix("handpose.")
        if other != name:
            below = place(other) == place(own) or floor(other) < floor(own)
            assert below, f"{own} imports {name}"


def test_parts_never_see_the_configuration() -> None:
    readers = {
        "cli" if path.stem == "command" else module(path).partition(".")[0]
        for path in FILES
        if any(name.split(".")[0] in ("hydra", "omegaconf") for name in imported(path))
    }
    assert readers <= READERS_OF_THE_CONFIG


def test_no_file_is_named_for_nothing() -> None:
    assert not [path for path in FILES if path.stem in ("utils", "helpers", "common", "misc")]
