"""Training: the two stages, their optimizers, loggers and checkpoints."""
