"""Secrets: refused before anything is written; those of the environment stay there."""

import subprocess
import sys
from pathlib import Path

import pytest
from typos import public_keys

from handpose.config import check_command_line
from handpose.config.catalogue import CONF, Catalogue
from handpose.config.schema import register
from handpose.config.secrets import argument_problem, hidden, value_problem

# Split, so that no scanner takes them for real ones.
SHAPED = {
    "WANDB_API_KEY": "0123456789abcdef" * 2 + "01234567",
    "HF_TOKEN": "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz",
    "GITHUB_TOKEN": "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345",
    "GITLAB_TOKEN": "glpat-" + "abcdefghij0123456789",
    "AWS_ACCESS_KEY_ID": "AKIA" + "ABCDEFGHIJ012345",
    "GOOGLE_API_KEY": "AIza" + "0123456789abcdefghijABCDEFGHIJ01234",
    "SLACK_TOKEN": "xoxb-" + "0123456789-abcdefghij",
    "OPENAI_API_KEY": "sk-" + "proj-abcdefghij0123456789",
    "DATABASE_PASSWORD": "://user:" + "hunter2hunter2@host",
    "AWS_SECRET_ACCESS_KEY": "canary/without+any/known=shape0123456789",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.chdir(tmp_path)
    for name, value in SHAPED.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("secret", SHAPED.values(), ids=SHAPED)
@pytest.mark.parametrize("written", ["sweep={}", "+logger.wandb.x={}", "++hydra.job.name={}", "{}"])
def test_a_value_that_looks_like_a_secret_is_refused_unquoted(secret: str, written: str) -> None:
    problem = argument_problem(written.format(secret))
    assert problem is not None
    assert secret not in problem
    assert "in the environment" in problem


@pytest.mark.parametrize(
    "argument",
    [
        "logger.wandb.api_key=short",
        "+WANDB_API_KEY=short",
        "+hydra.job.env_set.DB_PASSWORD=short",
        "logger.wandb={mode: online, apikey: short}",
        "x.secret=short",
        "sweep=${oc.env:SOME_TOKEN}",
        "sweep=a-${oc.env: SOME_TOKEN,none}-b",
    ],
)
def test_a_name_of_a_secret_is_refused(argument: str) -> None:
    assert "names a secret" in str(argument_problem(argument))


@pytest.mark.parametrize(
    "argument",
    [
        "seed=3",
        "sweep=monkey",
        "paths.data=/data/" + "fedcba9876543210" * 2 + "fedcba98/x",  # a commit, or a digest
        "paths.data=${oc.env:HOME}/data",
        "head.num_tokens=3",
        "backbone.weights=/skeleton/mask-rcnn.pt",
        "logger.wandb.tags=[disk-full]",
    ],
)
def test_what_is_none_passes(argument: str) -> None:
    assert argument_problem(argument) is None


def test_references_are_followed_wherever_they_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more" / "experiment").mkdir(parents=True)
    file = tmp_path / "more" / "experiment" / "leak.yaml"
    file.write_text(
        "# @package _global_\nsweep: ${oc.env:${paths.runs}}\npaths:\n  runs: HF_TOKEN\n"
    )
    with pytest.raises(SystemExit):
        check_command_line(["--config-dir", str(file.parents[1]), "experiment=leak"])
    printed = capsys.readouterr().err
    assert "sweep: holds the value of $HF_TOKEN" in printed
    assert SHAPED["HF_TOKEN"] not in printed


def test_a_value_of_the_environment_is_known_without_any_shape() -> None:
    secret = SHAPED["AWS_SECRET_ACCESS_KEY"]
    assert "$AWS_SECRET_ACCESS_KEY" in str(value_problem("sweep", "", f"a {secret} b"))
    assert hidden(f"a {secret} b") == "a [hidden] b"


def test_nothing_is_written_when_one_is_refused(tmp_path: Path) -> None:
    """The control: the same command without the secret writes the text in its place."""
    train = [sys.executable, str(CONF.parent / "train.py"), "--cfg", "job"]
    secret = SHAPED["HF_TOKEN"]
    refused, shown = (
        subprocess.run(
            [*train, f"sweep={value}"], capture_output=True, text=True, check=False, timeout=60
        )
        for value in (secret, "innocent")
    )
    assert refused.returncode == 1
    assert secret not in refused.stdout + refused.stderr
    assert "$HF_TOKEN" in refused.stderr
    assert "sweep: innocent" in shown.stdout
    assert not list(tmp_path.iterdir())


def test_no_public_key_is_taken_for_one() -> None:
    keys = public_keys(Catalogue())
    assert len(keys) > 300
    assert [key for key in keys if argument_problem(f"{key}=1")] == []
