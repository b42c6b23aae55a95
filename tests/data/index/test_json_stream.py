"""Records of a large JSON file, one at a time, equal to those of the standard reader."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from handpose.data.index import json_stream
from handpose.data.index.json_stream import JsonError, records


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.json"
    path.write_text(text)
    return path


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 20])
def test_equal_to_the_standard_reader(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    content: dict[str, Any] = {
        "images": [{"id": 12345, "name": 'a "quoted", [name]'}, {"id": -1.5e-3, "name": ""}],
        "empty": [],
        "annotations": [[[1.25, 2], [3, 4]], "text", 123456, True, None],
    }
    path = _file(tmp_path, json.dumps(content, indent=1))
    expected = [
        ((key, i), value) for key, items in content.items() for i, value in enumerate(items)
    ]
    assert list(records(path, depth=2)) == expected
    assert list(records(path, depth=1)) == [((key,), items) for key, items in content.items()]
    assert list(records(path, depth=0)) == [((), content)]


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_below_one_key_of_the_top_level(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others may be less deep."""
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    content = {"info": "1.1", "a": {"x": {"y": [1, 2]}}, "date": 2023, "n": None, "l": [1]}
    path = _file(tmp_path, json.dumps(content))
    assert list(records(path, depth=3, below="a")) == [(("a", "x", "y"), [1, 2])]
    assert list(records(path, depth=4, below="a")) == [(("a", "x", "y", i), i + 1) for i in (0, 1)]
    with pytest.raises(JsonError, match="there is no 'b' in it"):
        list(records(path, depth=3, below="b"))
    with pytest.raises(JsonError, match="there is no 'b' in it"):
        list(records(_file(tmp_path, "[]"), depth=3, below="b"))


def test_not_a_number_is_left_to_the_reader_of_the_record(tmp_path: Path) -> None:
    (first, second) = (value for _, value in records(_file(tmp_path, "[NaN, -Infinity]"), depth=1))
    assert math.isnan(first)
    assert second == -math.inf


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[1, 2], [3, 4", "cut short"),
        ("[[1, 2], [3, 4]", "at character 15: the file is cut short"),
        ("[[1, 2] [3, 4]]", "at character 8: , or ] expected"),
        ("[[1, 2]] x", "after the end"),
        ("", "cut short"),
        ('{"a": 1}', "expected, '1' found"),
        ('{"a": [{"b": 1, "b": 2}]}', "the key 'b' occurs twice"),
        ('{"a": [], "a": []}', "the key 'a' occurs twice"),
        ("{1: 2}", "keys must be strings"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(JsonError, match=reason.replace("[", r"\[")):
        list(records(_file(tmp_path, text), depth=2))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(JsonError, match="cannot be read"):
        list(records(tmp_path / "none.json", depth=1))
