"""YAML files, looked over before anything builds what they say: neither code, nor a bomb."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from handpose.files import regular

# Many times what any configuration of ours needs.
_MOST_BYTES, _MOST_NODES, _MOST_LEVELS = 1 << 20, 10_000, 50
_PLAIN_TAG = "tag:yaml.org,2002:"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_problems(roots: Iterable[Path]) -> list[str]:
    """A problem for each file below the roots that must not be loaded."""
    files = sorted(file for root in roots for file in root.rglob("*.y*ml") if file.is_file())
    return [problem for file in files if (problem := yaml_problem(file))]


def yaml_problem(file: Path) -> str | None:
    """Why a file must not be loaded, or None. Nothing in it is built to find out."""
    try:
        content = regular(file, most=_MOST_BYTES).read_bytes()
        reason = _reason(yaml.parse(content, Loader=_LOADER))
    except (yaml.YAMLError, OSError) as error:
        reason = "cannot be read (" + "; ".join(map(str.strip, str(error).splitlines())) + ")"
    return f"{file}: {reason}" if reason else None


def _reason(events: Iterator[yaml.Event]) -> str | None:
    """What is wrong with a file, from its events: every alias counts as what it repeats."""
    sizes: dict[str, int] = {}
    stack: list[tuple[str | None, list[int]]] = [(None, [0])]
    for event in events:
        size = 1
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append((event.anchor, [1]))
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, (size,) = stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, sizes.get(event.anchor, 0)
            if not size:
                line = event.start_mark.line + 1
                return f"line {line}: *{event.anchor} stands within itself, or names nothing"
        elif isinstance(event, yaml.ScalarEvent):
            anchor = event.anchor
        else:
            anchor, size = None, 0
        if anchor:
            sizes[anchor] = size
        stack[-1][1][0] += size
        if reason := _excess(event, stack[-1][1][0], len(stack)):
            return f"line {event.start_mark.line + 1}: {reason}"
    return None


def _excess(event: yaml.Event, nodes: int, levels: int) -> str | None:
    tag = getattr(event, "tag", None)
    if tag is not None and tag != "!" and (not tag.startswith(_PLAIN_TAG) or "python" in tag):
        return f"the tag {tag} would run code, or build what is no plain value; none was built"
    if nodes > _MOST_NODES:
        return f"its aliases make more than {_MOST_NODES:,} values of it; write them out"
    if levels > _MOST_LEVELS:
        return f"more than {_MOST_LEVELS} levels deep"
    return None
