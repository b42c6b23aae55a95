"""Datasets: one file a choice of `dataset=`."""
