"""The README names every choice that conf/ holds, and no other; its files exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_every_choice_stands_in_its_row() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|", README, flags=re.MULTILINE))
    groups = {
        path.name: {file.stem for file in path.glob("*.yaml")}
        for path in (ROOT / "conf").iterdir()
        if path.is_dir() and path.name not in ("paths", "hydra", "experiment")
    }
    assert {group: set(re.findall(r"`(\w+)`", row)) for group, row in rows.items()} == groups


def test_every_experiment_has_a_row_beside_its_file() -> None:
    folder = ROOT / "conf" / "experiment"
    named = re.findall(r"^\| `(\w+)` \|", (folder / "README.md").read_text(), flags=re.MULTILINE)
    files = [path.stem for path in folder.glob("*.yaml") if not path.stem.startswith("base_")]
    assert sorted(named) == sorted(files)


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"^(?:RESULTS|TODO|TBD)\b", README, flags=re.MULTILINE)


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert all((ROOT / link).exists() for link in links)
