"""Every public key and choice, mistyped: the right name is suggested, in a line or three."""

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from typos import Typo, all_typos

from handpose.config import check_command_line
from handpose.config.catalogue import CONF, Catalogue
from handpose.config.schema import register
from handpose.messages import nearest

_AT_ONCE = 60  # slips on one command line
# Each slip takes its time: the slow test tries one or two of the twelve of each name, of every kind
# in turn. The default test tries fewer, and after few choices.
_OF_EACH_NAME = 7
_CONTEXTS = {(), ("head=regression",), ("logger=wandb",), ("dataset=freihand",)}
_EVERY = 10


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place where every source seems to be, so that slips are the only mistakes."""
    register()
    monkeypatch.chdir(tmp_path)
    for source in Catalogue().choices["dataset"]:
        (tmp_path / "data" / source).mkdir(parents=True)
        (tmp_path / "data" / source / "something").touch()
    return f"paths.data={tmp_path / 'data'}"


def told(typo: Typo, problems: Iterable[str]) -> bool:
    """Whether one of the problems names the slip and suggests what was meant, within 3 lines."""
    key = typo.written.lstrip("+").partition("=")[0]
    for problem in problems:
        near = [
            name
            for names in re.findall(r"did you mean (.*?)\?", problem)
            for name in names.split(" or ")
        ]
        named = re.split("[:=]", problem.lstrip("+"))[0]
        if f"{key}.".startswith(f"{named}.") and typo.meant in near:
            return problem.count("\n") < 3
    return False


def missed(typos: list[Typo], data: str, capsys: pytest.CaptureFixture[str]) -> list[Typo]:
    """The slips that are not told as they should be."""
    lines: dict[tuple[str, ...], list[list[Typo]]] = defaultdict(list)
    for typo in typos:
        batches = lines[typo.context]
        if not batches or len(batches[-1]) == _AT_ONCE:
            batches.append([])
        batches[-1].append(typo)
    wrong = []
    for context, batches in lines.items():
        for batch in batches:
            with pytest.raises(SystemExit) as exit_:
                check_command_line([*context, data, *(typo.written for typo in batch)])
            assert exit_.value.code == 1
            printed = capsys.readouterr().err.rpartition("\n\n")[0]
            problems = printed.split("\n  - ")[1:]
            wrong += [typo for typo in batch if not told(typo, problems)]
    return wrong


def expect_99_percent(
    typos: list[Typo], wrong: list[Typo], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{len(typos)} mistyped overrides, {len(wrong)} without the right name")
    assert len(typos) >= 200
    assert len(wrong) <= len(typos) / 100, wrong[:20]


def test_the_right_name_is_suggested(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = [typo for typo in all_typos(Catalogue(), seed=0) if typo.context in _CONTEXTS]
    typos = found[::_EVERY]
    expect_99_percent(typos, missed(typos, data, capsys), capsys)


@pytest.mark.slow
def test_the_right_name_is_suggested_for_all(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    typos = list(all_typos(Catalogue(), seed=1))[::_OF_EACH_NAME]
    expect_99_percent(typos, missed(typos, data, capsys), capsys)


def test_without_suggestions_it_would_be_seen(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typos = list(all_typos(Catalogue(), seed=0))[::400]
    for module in ("checks.unknown_keys", "checks.overrides", "composer"):
        monkeypatch.setattr(f"handpose.config.{module}.did_you_mean", lambda names: "")
    assert len(missed(typos, data, capsys)) == len(typos)


@pytest.mark.parametrize("name", ["mx", "xmi", "mixx", "mox", "ix"])
def test_a_short_name_is_found_by_one_slip(name: str) -> None:
    assert nearest(name, ["mix", "mpii", "youtube"])[:1] == ["mix"]
    assert "mix" not in nearest("mqq", ["mix"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("objectve=relative", "objectve: no such key; did you mean objective?"),
        ("++hydra.run.dri=x", "hydra.run.dri: no such key of Hydra's; did you mean hydra.run.dir?"),
        ("hydra/luncher=basic", "no such group; did you mean hydra/launcher?"),
        ("+trainer=dbug", "+trainer=dbug: no such choice; did you mean debug?"),
    ],
)
def test_the_program_says_so_and_exits_with_1(argument: str, message: str, tmp_path: Path) -> None:
    command = [sys.executable, str(CONF.parent / "train.py"), argument]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
