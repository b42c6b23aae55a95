"""Augmentation: numbers are drawn first and applied to the pixels after."""

import os

# albumentations asks the network for its newest version when imported; a run needs no network.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
