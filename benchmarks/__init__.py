"""Speed and memory of archbuilder beside plain Keras, as ratios measured side by side."""
