"""What of a run's files goes to others: nothing that names a machine, a user or a folder."""

import os
from pathlib import PurePath
from typing import Any

from handpose.config.renamed import PROVENANCE
from handpose.config.secrets import hidden
from handpose.provenance import shareable

# Where and to whom a run reports, and folders: for its owner alone.
_OWN = ("logger", "paths")
_COMMIT = "commit"  # of the provenance; a digest of the length of a key of W&B


def public_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a configuration without folders, user names, loggers and secrets.

    A file keeps its path below `paths.data`, `paths.cache` or `paths.runs`. Of another absolute
    path only the last name is left.

    Args:
        config: of the run, resolved, without provenance.
    """
    places = {str(folder): name for name, folder in (config.get("paths") or {}).items()}
    kept = {key: value for key, value in config.items() if key not in _OWN}
    return {"paths": {name: name for name in places.values()}} | _public(kept, places)


def public_results(results: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Returns results and provenance without folders, commands and the names of machines.

    Args:
        results: of the run, or a part of them.
        config: of the run, resolved; not changed.
    """
    places = {str(folder): name for name, folder in (config.get("paths") or {}).items()}
    block = results.get(PROVENANCE)
    own = {PROVENANCE: shareable(block)} if block else {}
    return _public(results | own, places)


def _public(node: Any, places: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: value if key == _COMMIT else _public(value, places) for key, value in node.items()
        }
    if isinstance(node, list):
        return [_public(value, places) for value in node]
    return _public_text(node, places) if isinstance(node, str) else node


def _public_text(text: str, places: dict[str, str]) -> str:
    for folder, name in sorted(places.items(), key=lambda item: -len(item[0])):
        if text == folder or text.startswith(f"{folder}{os.sep}"):
            return name + text.removeprefix(folder)
    is_path = text.startswith((os.sep, "~", f"..{os.sep}", f".{os.sep}"))
    return hidden(PurePath(text).name if is_path else text)
