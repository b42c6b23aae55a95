"""The regression head's own: the rest is tested of every head."""

import pytest
import torch
from hands import CONTRACT

from handpose.heads.regression import RegressionHead


def test_a_head_can_be_one_or_two_linear_layers() -> None:
    """Then the pose is an affine function of the embedding; of the MLP it is not."""
    contract = {**CONTRACT, "embedding_dim": 16}
    made = {
        "linear": RegressionHead(hidden_dim=None, **contract),
        "two": RegressionHead(hidden_dim=8, activation="none", **contract),
        "mlp": RegressionHead(hidden_dim=8, **contract),
    }
    assert [len(head.mlp) for head in made.values()] == [1, 2, 4]
    a, b = torch.randn(2, 5, 16)
    for name, head in made.items():
        pose_a, middle, pose_b = (
            head.eval().predict_uvz((), x)[0].detach() for x in (a, (a + b) / 2, b)
        )
        assert torch.allclose(middle, (pose_a + pose_b) / 2, atol=1e-4) == (name != "mlp")
    with pytest.raises(ValueError, match=r"head\.activation=gelu: expected none or relu"):
        RegressionHead(hidden_dim=8, activation="gelu", **contract)


def test_mixed_precision_does_not_round_the_pose() -> None:
    """Sixteen bits of a pose in crop sides would be steps of half a pixel."""
    torch.manual_seed(0)
    contract = {**CONTRACT, "embedding_dim": 16, "image_size": 224}
    head = RegressionHead(hidden_dim=64, **contract).eval()
    embedding = torch.randn(32, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        uvz = head.predict_uvz((), embedding)[0]
    assert uvz.dtype == torch.float32
    pose = (uvz[..., :2] - (224 - 1) / 2) / 224
    assert (pose - pose.bfloat16()).abs().median() > 1e-4, "finer than 16 bits"
