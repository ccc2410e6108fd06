"""Read examples from files and turn them into batches for a model.

sources/, text/        readers of files, one for each source; tokenizers
file_access.py, provenance.py, bad_records.py, errors.py
                       safe access to files, and errors that name the file and line
source_dataset.py, columns.py, dtypes.py
                       `SourceDataset`, what a reader returns: columns by input and output
split.py, shuffle.py, position.py, digest.py
                       validation set, order, and place in a run, all reproducible
input_tracing.py, lookup_tables.py, input_checks.py, input_adapter.py, targets.py,
sample_weights.py
                       columns adapted to the inputs, outputs and losses of a network
pipeline.py, batch_share.py
                       `AdaptedDataset`, these columns together, and its batches in `tf.data`
augmentation.py, augmented_batches.py, rounding.py
                       random transformations of images and their targets
inspect.py, image_grid.py
                       the report of `inspect-data`, and pictures
"""
