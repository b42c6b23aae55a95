"""Augmentation: parameters are drawn first, as numbers, and applied after, to the pixels."""

import os

# albumentations asks the network for its newest version when imported; a run needs no network.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
