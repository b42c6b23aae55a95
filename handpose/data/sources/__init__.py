"""Datasets: one file per choice of `dataset=`."""
