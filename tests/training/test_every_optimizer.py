"""Every optimizer keeps our groups, skips a step exactly, and is restored exactly."""

import io
from typing import Any

import pytest
import pytorch_lightning as pl
import timm.optim
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader

from handpose.config.catalogue import Catalogue
from handpose.config.checks.optimizer_fit import REFUSED, refusal, timm_names
from handpose.pipeline.parts import build_optimizer
from handpose.training.guard import NonFiniteGuard
from handpose.training.optimizers import configure, parameter_groups
from handpose.training.precision import UnscaledPrecision

OF_CONF = [name for name in Catalogue().choices["optimizer"] if name != "timm"]
NAMES = [name for name in timm.optim.list_optimizers() if refusal(name) is None]
NAMES += ["lookahead_adamw", *(f"conf/{name}" for name in OF_CONF)]
TIMM = "handpose.training.timm_optimizer.TimmOptimizer"
RATE = 0.01
DECAYED = ("conv.weight", "linear.weight")


class Net(nn.Module):
    """Parameters of 0 to 4 dimensions, as the stages have."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.linear = nn.Linear(4, 2)
        self.log_variance = nn.Parameter(torch.zeros(()))

    def forward(self, image: Tensor) -> Tensor:
        out = self.linear(self.norm(self.conv(image)).mean((2, 3)))
        return out.square().mean() * (-self.log_variance).exp() + self.log_variance


def made(groups: Any, name: str, **options: Any) -> torch.optim.Optimizer:
    content = {"_target_": TIMM, "opt": name, "lr": RATE} | options
    if name.startswith("conf/"):
        content = Catalogue().content("optimizer", name.removeprefix("conf/")) | options
    return build_optimizer(OmegaConf.create(content))(groups)


def step(net: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    image = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    net(image).backward()
    optimizer.step()


def test_nearly_all_are_taken_and_their_names_are_read_without_importing_timm() -> None:
    known = set(timm.optim.list_optimizers())
    assert {name for name in known if refusal(name) is None} <= set(timm_names())
    assert len(NAMES) >= 70
    refused = {name for name in known if refusal(name)}
    assert refused >= {"adahessian", "kron", "fusedsgd"}
    assert all(any(name.startswith(start) for name in refused) for start in REFUSED)


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_optimizer_makes_the_same_steps(name: str) -> None:
    whole = Net()
    optimizer = made(parameter_groups(whole), name)
    for seed in range(4):
        step(whole, optimizer, seed)
    cut = Net()
    optimizer = made(parameter_groups(cut), name)
    for seed in range(2):
        step(cut, optimizer, seed)
    file = io.BytesIO()
    torch.save([cut.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    resumed = Net()
    resumed.load_state_dict(weights)
    optimizer = made(parameter_groups(resumed), name)
    optimizer.load_state_dict(state)
    for seed in range(2, 4):
        step(resumed, optimizer, seed)
    start = Net().state_dict()
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert not torch.equal(whole.state_dict()["conv.weight"], start["conv.weight"])


@pytest.mark.parametrize("name", NAMES)
def test_our_groups_keep_their_decay_and_their_rate(name: str) -> None:
    net = Net()

    def factory(groups: Any) -> torch.optim.Optimizer:
        return made(groups, name, weight_decay=0.5)

    factors = {net.conv.weight: 0.25}
    built = configure(net, factory, warmup_steps=0, total_steps=10, factors=factors)
    groups = built["optimizer"].param_groups
    names = {id(p): name for name, p in net.named_parameters()}
    found = {names[id(p)]: group for group in groups for p in group["params"]}
    assert set(found) == set(names.values())
    whole = found["linear.weight"]["lr"]
    for parameter, group in found.items():
        assert group["weight_decay"] == (0.5 if parameter in DECAYED else 0.0), parameter
        assert group["lr"] == (whole / 4 if parameter == "conv.weight" else whole), parameter


class Slope(pl.LightningModule):
    """The gradient of each batch is the batch."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.ones(2, 2))
        self.bias = nn.Parameter(torch.ones(2))
        self.states: list[Any] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return (self.weight * batch["x"].x).sum() + (self.bias * batch["x"].x[0]).sum()

    def on_train_batch_end(self, *args: Any) -> None:
        file = io.BytesIO()
        torch.save([self.state_dict(), self.trainer.optimizers[0].state_dict()], file)
        file.seek(0)
        self.states.append(torch.load(file))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return made(parameter_groups(self), self.name)


class Item:
    def __init__(self, x: Tensor) -> None:
        self.x, self.index = x, torch.zeros(1, dtype=torch.int64)


class Batches(list):
    source = (type("Hand", (), {"key": "hand 0"}),)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def scaled() -> UnscaledPrecision:
    return UnscaledPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=4.0))


SCALED = [(name, scaled) for name in ("lion", "muon", "conf/sgd", "conf/adamw", "conf/lars")]


@pytest.mark.parametrize("wrong", [(0, 1), (1,)])
@pytest.mark.parametrize(("name", "plugin"), [*((name, None) for name in NAMES), *SCALED])
def test_a_step_without_a_finite_gradient_changes_nothing(
    name: str, plugin: Any, wrong: tuple
) -> None:
    """Neither weights nor state, wherever it falls: the steps after are those of a run without."""
    good = [torch.tensor([[1.0, -2.0], [0.5, 3.0]]) * scale for scale in (1.0, -0.5, 2.0)]
    cut = good.copy()
    for place in wrong:
        cut.insert(place, good[0] * torch.nan)
    runs = []
    for gradients in (good, cut):
        slope, guard = Slope(name), NonFiniteGuard()
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[guard],
            plugins=plugin and plugin(),
        )
        batches = Batches({"x": Item(x)} for x in gradients)
        trainer.fit(slope, DataLoader(batches, batch_size=None))
        runs.append(slope)
    assert plugin or guard.skipped == len(wrong)  # an overflow of the scale counts as none
    kept = [state for place, state in enumerate(runs[1].states) if not cut[place].isnan().any()]
    assert len(kept) == len(good)
    assert equal(runs[0].states, kept)
