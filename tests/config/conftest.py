"""The skeleton of the configuration is known to Hydra, whichever test comes first."""

import pytest

from handpose.config.schema import register


@pytest.fixture(scope="session", autouse=True)
def registered() -> None:
    register()
