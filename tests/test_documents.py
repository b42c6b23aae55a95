"""Commands are found in documents whatever they look like."""

from pathlib import Path

import documents
import pytest

TEXT = """# Title

`python train.py seed=1` and `make train`, `handpose doctor`, `not one`.

```
python train.py a=1      # why
# a comment alone
python train.py \\
  b=2
```

```python
# handpose/new.py
x = 1
```
"""


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    (tmp_path / "some.md").write_text(TEXT)
    return tmp_path / "some.md"


def test_commands_of_blocks(document: Path) -> None:
    found = list(documents.commands(document))
    assert found == [("some.md:6", "python train.py a=1"), ("some.md:8", "python train.py b=2")]


def test_commands_in_running_text(document: Path) -> None:
    found = list(documents.inline_commands(document))
    expected = [("some.md:3", "python train.py seed=1"), ("some.md:3", "make train")]
    expected.append(("some.md:3", "handpose doctor"))
    assert found == expected


def test_files(document: Path) -> None:
    assert documents.files(document) == {"handpose/new.py": "# handpose/new.py\nx = 1\n"}


def test_the_documents_of_the_project_are_found() -> None:
    names = {path.relative_to(documents.ROOT).as_posix() for path in documents.DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "conf/README.md", "docs/guide/data.md"} <= names
