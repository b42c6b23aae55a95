"""Export a trained model for other programs: an ONNX graph and a model card."""
