"""Ten secrets in the environment of a run with W&B: no file of the run has any of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

MARKER = "not-a-secret-but-seen"
CANARIES = {
    name: f"canary{number}-{'q7Zp' * 4}"
    for number, name in enumerate(
        (
            "WANDB_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "HF_TOKEN",
            "GITHUB_TOKEN",
            "OPENAI_API_KEY",
            "SLACK_BOT_TOKEN",
            "DATABASE_PASSWORD",
            "SSH_PASSPHRASE",
            "MY_SECRET",
        )
    )
}


def files_with(text: str, folder: Path) -> set[str]:
    """The names of the files below a folder that have a text in their bytes."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name for path in found if text.encode() in path.read_bytes()}


@pytest.mark.slow
def test_no_canary_is_in_any_file(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    settings = ("logger=wandb_offline", f"logger.wandb.name={MARKER}", "report=true")
    run_dir = train(*settings, "head=regression", "trainer.keep_checkpoints=true")
    found = {
        name: files for name, v in CANARIES.items() if (files := files_with(v, run_dir.parent))
    }
    printed = "".join(capfd.readouterr())
    assert found == {}
    assert not [name for name, value in CANARIES.items() if value in printed]
    # The search would have seen them: an override is in all these.
    seen = files_with(MARKER, run_dir)
    assert {"config.json", "overrides.yaml", "config.yaml", "report.html"} <= seen
    assert [name for name in seen if name.endswith(".wandb")]
    assert list(run_dir.rglob("last.ckpt"))
