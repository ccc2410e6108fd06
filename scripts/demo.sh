#!/bin/sh
# Validate, train and load a blueprint in under a minute. `make demo` runs it. Each command is
# printed before it runs.
set -eu
cd "$(dirname "$0")/.."

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

rm -rf runs/demo

run cat blueprints/digits_cnn.yaml
run archbuilder validate digits_cnn
run archbuilder show digits_cnn
run archbuilder train digits_cnn --run-dir runs/demo

printf '\nThe saved model is plain Keras; archbuilder is not needed to load it.\n'
code='import keras
model = keras.saving.load_model("runs/demo/digits_cnn.keras")
print(f"{model.name}: {model.count_params():,} parameters, {len(model.layers)} layers")'
printf '\n$ python -c '\''%s'\''\n' "$code"
# TensorFlow logs details of the CPU on import. They are shown only if the command fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
python -c "$code" 2>"$log" || { cat "$log" >&2; exit 1; }
