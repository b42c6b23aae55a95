"""What the documentation shows: commands and files, as a reader would copy them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(p for top in ("conf", "docs", "handpose", "scripts") for p in (ROOT / top).rglob("*.md")),
    ]
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = ("", "bash", "sh")
_INLINE = re.compile(r"`((?:python|pytest|make|pip|torchrun|handpose)(?: [^`]+)?)`")


class Shown(NamedTuple):
    """A command, and where it stands."""

    place: str  # "README.md:12"
    text: str


def commands(document: Path) -> Iterator[Shown]:
    """Every command of the blocks of shell commands; those without a language are such."""
    for line, language, content in blocks(document):
        if language in _SHELL:
            for offset, text in _joined(content):
                yield Shown(f"{document.relative_to(ROOT)}:{line + offset}", text)


def inline_commands(document: Path) -> Iterator[Shown]:
    """Every command between backticks in running text and tables."""
    text = _BLOCK.sub(lambda found: "\n" * found[0].count("\n"), document.read_text())
    for found in _INLINE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Shown(f"{document.relative_to(ROOT)}:{line}", found[1].replace("\n", " "))


def files(document: Path) -> dict[str, str]:
    """{path: content} of the blocks that begin with a comment that is a path."""
    found = {}
    for _, language, content in blocks(document):
        head = re.match(r"# (\S+\.\w+)\n", content)
        if language not in _SHELL and head:
            found[head[1]] = content
    return found


def blocks(document: Path) -> Iterator[tuple[int, str, str]]:
    """(number of its first line, language, content) of each fenced block."""
    text = document.read_text()
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(2)) + 1, found[1], found[2]


def _joined(content: str) -> Iterator[tuple[int, str]]:
    """(offset, command): lines that end in a backslash go on, comments are left out."""
    begun, text = 0, ""
    for offset, line in enumerate(content.splitlines()):
        begun = offset if not text else begun
        text += re.sub(r"(^|\s+)# .*$", "", line).strip()
        if text.endswith("\\"):
            text = text[:-1]
        elif text:
            yield begun, text
            text = ""
