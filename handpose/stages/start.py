"""The model of another run as the start of this one (`init_from`)."""

from omegaconf import DictConfig
from torch import nn

from handpose.backbones.misfit import describe_misfit
from handpose.check.start import model_file
from handpose.training import checkpoint


def start_from_model(cfg: DictConfig, module: nn.Module, *, part: str = "") -> None:
    """Loads the model of `init_from` into `module`, all of it or nothing; no-op without one.

    Args:
        cfg: of the run.
        module: changed in place.
        part: what `module` is of a model, as "backbone."; empty for all of it.

    Raises:
        ValueError: it cannot be read, does not fit, or is not finite; names the first tensors.
    """
    if cfg.init_from is None:
        return
    state = checkpoint.load(model_file(cfg.init_from))["state_dict"]
    state = {name.removeprefix(part): v for name, v in state.items() if name.startswith(part)}
    if misfit := describe_misfit(module.state_dict(), state, naming="a model of this program"):
        raise ValueError(f"init_from={cfg.init_from} does not fit{misfit}")
    module.load_state_dict(state)
