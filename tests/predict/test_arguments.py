"""Arguments of a prediction: numbers, and all that is wrong with them."""

import numpy as np
import pytest

from handpose.predict.arguments import camera_matrix, given_problems, numbers


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
