"""Train networks with Keras's `fit`, from any position of a run, on any number of replicas.

context.py             `TrainingContext`, which an objective turns into a `TrainableTask`
datasets.py            training and validation set, adapted to a network
train_loop.py          calls of `fit`, from the beginning or from a checkpoint
distributed_model.py   the model whose gradients are those of the global batch
single_model.py        the same for one network and the losses of its outputs
loss_reduction.py      losses as sums and counts over the global batch
gradient_accumulation.py, step_function.py, nan_guard.py
                       parts of a training step
execution.py           XLA, precision and steps per execution
optimizer.py, metrics.py
                       Keras objects from a recipe
step_errors.py         errors of Keras and TensorFlow, located in the blueprint
callbacks/             Keras callbacks, one file each
"""
