"""Weights of a run shared with others: a folder of safetensors, here or on the Hugging Face Hub."""
