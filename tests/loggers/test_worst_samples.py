"""The table of the worst hands: in order, with the joints where the image has them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from handpose.evaluation.evaluation import Evaluation
from handpose.loggers.overlays import PREDICTION, TRUTH
from handpose.loggers.worst_samples import worst_samples
from handpose.report.predictions import sample_errors

N, J = 24, 21


@pytest.fixture
def evaluation() -> Evaluation:
    draw = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    fields: dict[str, Any] = {}
    for name in Evaluation._fields:
        if name.endswith("_valid"):
            fields[name] = torch.ones((N,) if name[0] in "Ks" else (N, J), dtype=torch.bool)
        elif name.startswith("is_"):
            fields[name] = torch.arange(N) % 2 == 1
        else:
            fields[name] = torch.ones(N, dtype=torch.float64)
    true = 40 * noise(N, J, 3)
    worse = torch.arange(N, dtype=torch.float64)[:, None, None]
    fields |= {
        "true_xyz": true,
        "xyz": true + worse * noise(N, J, 3),
        "true_uv": 60 + 10 * noise(N, J, 2),
        "uv": 60 + 10 * noise(N, J, 2),
        "index": torch.arange(N).flip(0),
        "confidence": noise(N, J).sigmoid(),
        "hand_confidence": torch.linspace(0, 1, N, dtype=torch.float64),
    }
    return Evaluation(**fields)


class Source:
    """Images whose pixels tell their places."""

    def __getitem__(self, index: int) -> Any:
        return SimpleNamespace(image=np.full((128, 128, 3), index, np.uint8), key=f"own/{index}#0")


def test_the_worst_comes_first_with_what_belongs_to_it(evaluation: Evaluation) -> None:
    table = worst_samples(evaluation, Source(), most=5)
    assert table is not None
    assert table.columns == ("image", "aligned_error_mm", "key", "side", "confidence")
    errors = sample_errors(evaluation)
    order = errors.argsort(descending=True).tolist()[:5]
    assert [row[1] for row in table.rows] == errors[order].tolist()
    for row, (image, _, key, side, confidence) in zip(order, table.rows, strict=True):
        place = N - 1 - row
        assert (key, side) == (f"own/{place}#0", "left" if row % 2 else "right")
        assert image.image[128, 128].tolist() == [place] * 3
        assert confidence == pytest.approx(row / (N - 1))


def test_joints_move_with_the_part_of_the_image_that_is_shown(evaluation: Evaluation) -> None:
    valid = evaluation.uv_valid.clone()
    valid[:, 7] = False
    table = worst_samples(evaluation._replace(uv_valid=valid), Source(), most=1)
    assert table is not None
    image = table.rows[0][0]
    true, predicted = image.skeletons[TRUTH], image.skeletons[PREDICTION]
    assert np.isnan(true[7]).all()
    row = int(sample_errors(evaluation).argmax())
    known = np.arange(J) != 7
    shown = np.linalg.norm(predicted[known] - true[known], axis=1)
    real = (evaluation.uv[row] - evaluation.true_uv[row]).norm(dim=1).numpy()[known]
    np.testing.assert_allclose(shown / real, (shown / real)[0] * np.ones(J - 1), rtol=1e-6)
    assert ((true[known] > 0) & (true[known] < 256)).all()


def test_without_3d_labels_the_2d_error_counts_and_without_any_there_is_no_table(
    evaluation: Evaluation,
) -> None:
    none = torch.zeros(N, J, dtype=torch.bool)
    flat = evaluation._replace(xyz_valid=none, confidence=torch.empty(N, 0))
    table = worst_samples(flat, Source(), most=1)
    assert table is not None
    assert table.columns[1] == "error_2d_px"
    assert table.rows[0][4] is None
    assert worst_samples(flat._replace(uv_valid=none), Source()) is None
