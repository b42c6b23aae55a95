"""handpose: self-supervised pre-training and 2.5D fine-tuning for 3D hand pose estimation."""
