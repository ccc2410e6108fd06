"""Launchers of several workers: on this machine, by Slurm, or by Kubernetes."""
