"""What a prediction is told: inputs by their kind, numbers, and all that is wrong with them."""

from pathlib import Path

import numpy as np
import pytest

from handpose.predict.arguments import camera_matrix, find_input, given_problems, numbers


def test_an_input_is_known_by_its_kind(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "clip.mp4", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.png").touch()
    found = find_input(str(tmp_path))
    assert found.kind == "images"
    assert found.paths == (tmp_path / "a.png", tmp_path / "b.JPG")
    assert found.others == 2
    everything = find_input(str(tmp_path), recursive=True)
    assert everything.paths == (*found.paths, tmp_path / "below" / "c.png")
    (tmp_path / "above").mkdir()
    (tmp_path / "below").rename(tmp_path / "above" / "below")
    with pytest.raises(ValueError, match=r"no image in this folder .* add --recursive"):
        find_input(str(tmp_path / "above"))
    assert find_input(str(tmp_path / "a.png")).paths == (tmp_path / "a.png",)
    assert find_input(str(tmp_path / "clip.mp4")).kind == "video"
    assert find_input("camera:2").camera == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing.jpg", "no such image"),
        ("notes.txt", "not the name of an image"),
        ("empty", "no image in this folder"),
        ("camera:", "write a camera as camera:0"),
        ("camera:x", "write a camera as camera:0"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").touch()
    Path("empty").mkdir()
    with pytest.raises(ValueError, match=said):
        find_input(name)


def test_a_camera_matrix_is_written_in_two_ways() -> None:
    expected = [[500, 0, 320], [0, 510, 240], [0, 0, 1]]
    assert np.array_equal(camera_matrix("500,510,320,240"), expected)
    assert np.array_equal(camera_matrix("500,0,320,0,510,240,0,0,1"), expected)
    for text in ("500,510,320", "500,510,320,x", ""):
        with pytest.raises(ValueError, match="4 or 9 numbers"):
            camera_matrix(text)
    with pytest.raises(ValueError, match="2 numbers; write 3 numbers"):
        numbers("1,2", (3,))


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert given_problems(None, None, None) == []
    good = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
    assert given_problems((10, 10, 50), good, 0.09) == []
    problems = given_problems((10, 10, -1), good.T, 90)
    assert [problem.split()[0] for problem in problems] == ["box", "camera", "scale"]
    assert "metres" in problems[2]
    for wrong in (np.eye(3), good * np.nan, good[:2], np.diag([-500.0, 500, 1])):
        assert len(given_problems(None, wrong, None)) == 1
    assert len(given_problems((np.nan, 1, 20), None, None)) == 1
