"""Evaluate trained networks, predict, generate text and sample images.

load_run.py            networks and tokenizer of a run
evaluate.py            the metrics on the validation set, or on other data
input_files.py, predict.py, prediction_writer.py
                       predictions: from files, on the devices, to CSV or JSON
generate.py, lm_scoring.py, samplers.py
                       text: the loop, the next token's probabilities, the choice among them
sample.py              images of a generator
"""
