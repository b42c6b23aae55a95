"""Several processes: collectives, process launch, signals, Slurm requeue."""
