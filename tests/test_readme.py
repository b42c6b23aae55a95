"""The documentation says what conf/ holds; its links and the commands in its text are right."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, Shown, inline_commands

from handpose.cli import APPLICATIONS
from handpose.config import check_command_line
from handpose.config.schema import register

SCRIPT = runpy.run_path(str(ROOT / "scripts" / "override_table.py"))
GROUPS = ROOT / "docs" / "guide" / "configuration.md"
TABLES = [GROUPS, ROOT / "conf" / "README.md"]
MOST_WORDS = 1300
INLINE = [shown for document in DOCUMENTS for shown in inline_commands(document)]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_the_tables_of_overrides_are_those_that_conf_makes(path: Path) -> None:
    text = path.read_text()
    assert "made by scripts/override_table.py" in text
    assert SCRIPT["with_tables"](text) == text, "python scripts/override_table.py --write"


def test_another_table_would_be_seen() -> None:
    text = GROUPS.read_text()
    assert "`freihand`, " in text
    wrong = text.replace("`freihand`, ", "")
    assert SCRIPT["with_tables"](wrong) == text


def test_every_key_has_a_meaning() -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| `.*?` \|(.*)\|$", (ROOT / "conf/README.md").read_text(), re.M
    )
    assert len(rows) > 80
    without = [key for key, text in rows if not re.sub(r"^\s*\(.*?\)", "", text).strip()]
    assert without == [], "write a comment behind the key in its YAML file"


def test_every_experiment_is_in_the_table_beside_it() -> None:
    folder = ROOT / "conf" / "experiment"
    text = (ROOT / "docs" / "guide" / "experiments.md").read_text()
    files = [path.stem for path in folder.glob("*.yaml") if not path.stem.startswith("base_")]
    assert [name for name in files if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_placeholder_is_left(document: Path) -> None:
    assert not re.findall(r"^(?:RESULTS|TODO|TBD)\b", document.read_text(), re.M)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= MOST_WORDS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("shown", INLINE, ids=lambda shown: f"{shown.place} {shown.text[:40]}")
def test_commands_in_the_text_are_right(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at, not run: that overrides pass the checks, and files and targets are there."""
    program, *arguments = shlex.split(shown.text.removeprefix("python "))
    if program == "handpose" and arguments[:1] != ["train"]:
        assert set(arguments[:1]) <= {*APPLICATIONS, "--help"}
        return
    if program == "handpose":
        program, *arguments = ["train.py", *arguments[1:]]
    if program == "train.py":
        register()
        monkeypatch.chdir(tmp_path)
        for source in (ROOT / "conf" / "dataset").glob("*.yaml"):
            (tmp_path / "DIR" / source.stem / "something").mkdir(parents=True)
        check_command_line([word.replace("=NAME", "=synthetic_full") for word in arguments])
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program.startswith(("scripts/", "tests/")):
        assert (ROOT / program).is_file()
    elif program == "pytest":
        assert all((ROOT / word).exists() for word in arguments if not word.startswith("-"))
    else:
        assert program in ("pip", "python", "torchrun"), "say here how this is looked at"
