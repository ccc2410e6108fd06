"""Devices and workers: `tf.distribute` strategies, the cluster, and collective operations."""
