"""The stages of a run: splits, pre-training, fine-tuning, evaluation."""
