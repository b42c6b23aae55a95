"""Predict hands with a trained model: on images, videos and cameras."""

import lazy_loader

# On first use, since torch takes seconds.
_PUBLIC = {"hand": ["Given", "Hand"], "hand_pose": ["HandPose"]}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_PUBLIC)
