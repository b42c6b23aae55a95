"""Other packages' messages are silenced one by one, ours are told once."""

import importlib.util
import logging
import re
import warnings
from pathlib import Path

import pytest

from handpose.pipeline import third_party_messages
from handpose.pipeline.third_party_messages import quieten, told_once

PACKAGES = ("pytorch_lightning", "lightning_fabric", "torch.optim", "torch.utils._pytree")


def sources() -> str:
    """The code of the packages in question, with what it says in one piece."""
    found = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        path = Path(spec.origin)
        files = path.parent.rglob("*.py") if path.name == "__init__.py" else [path]
        found += [file.read_text() for file in files]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(found))


def test_what_is_silenced_is_said_by_someone() -> None:
    """A message that was reworded must not stay in the list, as if it were silent."""
    code = sources()
    assert [
        message for message in third_party_messages._WARNINGS if not re.search(message, code)
    ] == []


def test_a_warning_that_is_not_listed_is_shown() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quieten()
        quieten()
        warnings.warn(
            "The `srun` command is available on your system but is not used. HINT", stacklevel=1
        )
        warnings.warn("your labels are wrong", stacklevel=1)
    assert [str(one.message) for one in caught] == ["your labels are wrong"]


def test_the_font_cache_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    quieten()
    logger = logging.getLogger("matplotlib.font_manager")
    logger.warning("Matplotlib is building the font cache; this may take a moment.")
    logger.warning("findfont: Font family 'X' not found.")
    assert caplog.messages == ["findfont: Font family 'X' not found."]


def test_ours_are_told_once_in_a_run(caplog: pytest.LogCaptureFixture) -> None:
    ours, other = logging.getLogger("handpose.data.sources.mix"), logging.getLogger("other")
    for _ in range(2):  # runs
        with told_once():
            for _ in range(3):
                ours.warning("%s has no val split", "mpii")
                ours.warning("%s has no val split", "youtube")
                ours.error("an error")
                other.warning("of another package")
    assert caplog.messages.count("mpii has no val split") == 2
    assert caplog.messages.count("youtube has no val split") == 2
    assert caplog.messages.count("an error") == 6
    assert caplog.messages.count("of another package") == 6
