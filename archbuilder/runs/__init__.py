"""The directory of a run: manifest, history, checkpoints and the state that they hold."""
