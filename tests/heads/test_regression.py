"""The regression head's own: the rest is tested of every head."""

import torch
from hands import CONTRACT

from handpose.heads.regression import RegressionHead


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
