"""The z-buffer on triangles that can be checked by hand."""

import numpy as np

from handpose.data.synthetic.raster import rasterise

SQUARE = np.array([[2, 2], [2, 8], [8, 8], [8, 2]], dtype=np.float32)  # down, right, up: faces us
TWO = np.array([[0, 1, 2], [0, 2, 3]])


def _image(values: np.ndarray, pixels: np.ndarray, size: int) -> np.ndarray:
    image = np.full(size * size, -1.0)
    image[pixels] = values
    return image.reshape(size, size)


def test_a_square_covers_its_pixels_and_no_others() -> None:
    found = rasterise(SQUARE, np.ones(4, np.float32), TWO, 12)
    covered = _image(found.depth, found.pixel, 12) > 0
    expected = np.zeros((12, 12), bool)
    expected[2:9, 2:9] = True
    np.testing.assert_array_equal(covered, expected)


def test_weights_interpolate_the_position() -> None:
    found = rasterise(SQUARE, np.ones(4, np.float32), TWO, 12)
    corners = SQUARE[TWO[found.face]]
    uv = np.einsum("cn,ncd->nd", found.weights, corners)
    expected = np.stack([found.pixel % 12, found.pixel // 12], axis=1)
    np.testing.assert_allclose(uv, expected, atol=1e-4)


def test_the_nearer_face_wins_whatever_the_order() -> None:
    uv = np.concatenate([SQUARE, SQUARE])
    depth = np.repeat(np.array([2.0, 1.0], np.float32), 4)
    for faces in (np.concatenate([TWO, TWO + 4]), np.concatenate([TWO + 4, TWO])):
        np.testing.assert_allclose(rasterise(uv, depth, faces, 12).depth, 1.0, rtol=1e-6)


def test_faces_that_look_away_are_not_drawn() -> None:
    found = rasterise(SQUARE, np.ones(4, np.float32), TWO[:, ::-1], 12)
    assert len(found.pixel) == 0


def test_what_lies_outside_the_frame_is_cut() -> None:
    found = rasterise(SQUARE * 3 - 10, np.ones(4, np.float32), TWO, 12)
    assert len(found.pixel) == 12 * 12
