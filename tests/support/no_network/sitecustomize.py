"""Python imports this at its start, in every process that a test starts."""

import sys
from pathlib import Path

_SUPPORT = str(Path(__file__).resolve().parents[1])
sys.path.insert(0, _SUPPORT)
try:
    import network_guard
finally:
    sys.path.remove(_SUPPORT)
network_guard.install()
