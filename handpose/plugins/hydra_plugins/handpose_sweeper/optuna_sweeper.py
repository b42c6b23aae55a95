"""Choose the values of a sweep one trial after the other, by Optuna."""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from handpose.sweep.adaptive import AdaptiveSweep, Plan, with_short_names
from handpose.sweep.callback import SweepTable


class OptunaSweeper(Sweeper):
    """Adaptive sweeper: each batch of trials is suggested from the results of the ones before.

    Args:
        params: search space of a configuration file; the driver reads it again.
        **settings: see `Plan`.
    """

    def __init__(self, params: Any = None, **settings: Any) -> None:
        self._plan = Plan(**settings)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's context and build the launcher."""
        self.config = with_short_names(config, hydra_context.config_loader)
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            config=self.config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> None:
        """Execute the study.

        Args:
            arguments: of the command line, which the configuration has too.
        """
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        launcher = self.launcher
        callbacks = self.hydra_context.callbacks.callbacks
        (table,) = (one for one in callbacks if isinstance(one, SweepTable))
        AdaptiveSweep(
            self.config,
            self.hydra_context.config_loader,
            launch=lambda overrides, first: launcher.launch(overrides, initial_job_idx=first),
            add=table.add,
            plan=self._plan,
        ).run()
