"""Trains networks: examples -> batches -> Keras's `fit` -> the folder of a run.

sources/            files -> `Examples`; text/ has what is of text
tables.py           `Examples` fitted to a network -> `Table`, and what is held out
batches.py          `Table` -> batches in the order of order.py
augmented_batches.py  images changed by augmenting.py, and targets that follow them
distribution.py     which devices, and their shares of a batch; peers.py what workers tell,
                    and membership.py that all of them belong to one run
objectives/         a `Session` -> learner and batches -> `Prepared`, one file an objective
learner.py, fit.py  Keras's `fit`, from any position of a run, on any number of replicas
keeping.py          when checkpoints.py keeps the arrays of state.py in the folder of run.py
"""
