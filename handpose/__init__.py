"""handpose: self-supervised pre-training and 2.5D fine-tuning for 3D hand pose estimation.

The public names are those of `__init__.pyi`, imported when they are first used.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["__version__", *_names]
