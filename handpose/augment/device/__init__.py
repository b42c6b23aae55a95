"""The same augmentation in batched PyTorch, on any device.

A data worker draws the numbers and makes a `Recipe` of them (`recipe`). The device then renders all
views of the batch (`rendering`), as `augment.geometric` and `augment.appearance` render one.
"""
