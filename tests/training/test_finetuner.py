"""The error that chooses the best epoch is of every validation hand that can be aligned."""

import pytest
import torch
from hands import Fixed, labelled
from torch import nn

from handpose.evaluation.pose_errors import aligned_joint_errors
from handpose.training.finetuner import Finetuner


class _Model(nn.Module):
    """A head without a backbone."""

    def __init__(self, head: Fixed) -> None:
        super().__init__()
        self.head = head

    def forward(self, image: torch.Tensor, K: torch.Tensor) -> object:
        return self.head((), torch.empty(0), K)


def test_the_validation_error_takes_hands_without_a_root_or_a_reference_bone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = labelled(6, seed=0)
    xyz_valid = target.xyz_valid.clone()
    xyz_valid[0, 0], xyz_valid[1, 5], xyz_valid[2, 2:] = False, False, False
    z_valid = xyz_valid & xyz_valid[:, [0]] & xyz_valid[:, [5]]
    target = target._replace(
        xyz=torch.where(xyz_valid[..., None], target.xyz, 0.0), xyz_valid=xyz_valid, z_valid=z_valid
    )
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(6, 21, 3, generator=draw) * torch.tensor([1.0, 1.0, 0.1])
    noise[:2] *= 4
    stage = Finetuner(
        model=_Model(Fixed(target.uvz + noise)), optimizer=torch.optim.SGD, warmup_epochs=0
    )
    for name in ("log", "log_terms"):
        monkeypatch.setattr(stage, name, lambda *_, **__: None)
    with torch.no_grad():
        stage.validation_step(target, 0)
        predicted = stage(target).xyz
    errors = []
    for row in (0, 1, 3, 4, 5):  # two joints alone have no aligned error
        own = xyz_valid[row]
        pair = (part[row, own][None] for part in (predicted, target.xyz))
        errors += aligned_joint_errors(*pair, own[own][None])[0].tolist()
    found = float(stage.val_pa_epe.compute())
    assert found == pytest.approx(1000 * sum(errors) / len(errors), rel=1e-4)
    few = errors[40:]
    assert found > 1.1 * 1000 * sum(few) / len(few), "the hands without them are worse here"
