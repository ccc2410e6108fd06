"""Starts a command as several workers: on this machine, by Slurm, or by Kubernetes."""
