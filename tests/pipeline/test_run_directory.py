"""A run directory that is not as it was left."""

import json
import shutil
from pathlib import Path

import pytest

from handpose.pipeline.run_directory import CONFIG, claim


@pytest.mark.parametrize("writes", [False, True])
def test_a_directory_that_is_deleted_while_in_use_is_told(writes: bool, tmp_path: Path) -> None:
    def use() -> None:
        with claim(tmp_path / "run", {}):
            shutil.rmtree(tmp_path / "run")
            if writes:
                (tmp_path / "run" / "metrics.csv").write_text("")

    with pytest.raises(ValueError, match="run: deleted or moved"):
        use()


def test_another_error_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), claim(tmp_path / "run", {}):
        (tmp_path / "nowhere" / "file").write_text("")


@pytest.mark.parametrize("content", ["", "{", "3", "\udcff"])
def test_a_corrupt_configuration_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / CONFIG
    path.write_bytes(content.encode(errors="surrogateescape"))
    with (
        pytest.raises(ValueError, match=r"config\.json: cannot be read .* new directory"),
        claim(tmp_path, {}),
    ):
        pass
    path.write_text(json.dumps({}))
    with claim(tmp_path, {}):
        pass
