"""Checks the order of imports: a module imports only what stands before it.

`ORDER` is the architecture of the package as data. It holds for the packages, and again for the
modules within each large package. Modules on one line are independent of each other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "archbuilder"

ORDER: Mapping[str, str] = {
    "archbuilder": """
        interrupts version plain_data
        diagnostics
        limits formatting silence_tensorflow
        argument_types
        yaml
        files
        expressions
        registry
        language
        compiler
        zoo
        keras_ext
        keras_registration
        keras_backend
        argument_trees blueprint_names expectations shape_oracle weights
        blueprint
        config
        data validation
        scaffold
        distribution
        runs
        trainer
        objectives
        training
        inference
        api
        launch
        cli
    """,
    "archbuilder.api": """
        arguments
        inference training validation
        cross_validation
    """,
    "archbuilder.compiler": """
        ir argument_hints unused_definitions value_check visible_names
        batch_axis constants
        check_arguments keras_object mapping_check unparse
        objective_use
        objective_ir relative_steps
        objective_record
        formula_calls parameters
        expand variant_check
        semantic_check
        pipeline
    """,
    "archbuilder.compiler.expand": """
        dead_nodes iteration single_inputs tensors
        scope
        environment
        block_values
        blocks inputs step_names
        shapes
        layer_calls size_limit
        wrapped_blocks formula_nodes
        calls formula_subscripts
        formula_lowering
        lowering
        networks objective_checks
        network_inputs objective_numbers
        objective_results
        objectives
    """,
    "archbuilder.config": """
        data_sandbox data_schema value_types
        augment_layers callbacks layer_patterns loss_traits output_types settings
        optimizers
        metric_checks
        objectives save_best sources split
        image_size initial_weights lora stages
        data data_cli objective_library objective_source training
        fingerprint json_schema training_parser
        arguments load
        run_config
        run_inputs
        model_target
    """,
    "archbuilder.config.objectives": """
        base
        block supervised
    """,
    "archbuilder.config.sources": """
        name_patterns windows
        pixels sounds
        videos
        base
        tokenizers
        features
        feature_conflicts
        feature_parser
        arrays audio clips images tables texts
    """,
    "archbuilder.data": """
        batch_share rounding
        image_coordinates seeded_layer
        augmentation bad_records columns errors file_access image_grid input_tracing position
        provenance shuffle
        dtypes lists
        lookup_tables position_inputs targets text
        raw_feature
        source_dataset
        box_labels list_features number_features sample_weights text_features
        features sampling split windows
        digest input_adapter random_crop sources
        sizes vocabularies
        pipeline
        dense_targets input_checks mixed_labels series_augmentation
        augmented_batches
        inspect
    """,
    "archbuilder.data.sources": """
        audio_decoding box_checks cells digits disk_columns image_decoding json_numbers npy_header
        category_writer dates label_encoder load_context parquet_footer text_writer tfrecord_io
        vocabulary_files
        class_directories idx mask_decoding npy npz table_columns text
        column_roles example_files pairs text_directory
        row_checks
        list_parser
        list_writer parquet_lists
        audio_files batch_reader coordinates file_labels image_files
        audio_directory image_targets parquet_file
        image_directory parquet_values video_files
        table_files video_directory
        tabular
        csv jsonl parquet tfrecord
        tfds
    """,
    "archbuilder.scaffold": """
        layout table_sample
        column_profile convolutions outputs
        arrays table_task
        recordings tables texts
        data_blueprint
    """,
    "archbuilder.diagnostics": """
        code escape span
        errors snippet
        explanations render
    """,
    "archbuilder.distribution": """
        cluster_spec collectives slices
        membership
        strategy
    """,
    "archbuilder.files": """
        parser_errors path_status sandbox
        atomic_write blueprint_files json zip_archive
        array_files
    """,
    "archbuilder.inference": """
        input_files load_run predicted_outputs samplers
        evaluate lm_scoring result_network
        generate predict sample
        prediction_writer
    """,
    "archbuilder.keras_backend": """
        broadcast_add dtype_policy flops initialize keras_errors lora machine_memory op_names
        shape_format state_scope tracing
        array_values
        analysis batch_axis batch_mixing call_errors instantiate node_checks regularization saving
        operation_constants output_checks
        functional memory_check
        shape_oracle trial_call
        build
    """,
    "archbuilder.language": """
        call_graph deferred_values foreign_keys objective_terms
        formulas
        ast
        objective_ast
        document
        parser
        block_arguments keyword_schemas
        modules objective_schema
        objective_operations
        json_schema
        import_loader
    """,
    "archbuilder.objectives": """
        step_context schedules output_activation probe_classifiers ridge
        losses token_masking step_checks
        columns detections
        interpreter
        nan_source
        model supervised
        random_draws
        sampler trial_run probes shape_check
        checks activation_checks
        block
    """,
    "archbuilder.runs": """
        git_state run_dir state_dict
        checkpoint_manager manifest
    """,
    "archbuilder.trainer": """
        log_format random_state
        callbacks execution gradient_accumulation loss_reduction nan_guard step_errors
        metrics step_function
        optimizer
        distributed_model
        initial_weights lora_layers
        frozen_layers
        context single_model
        datasets train_loop
        adapted_layers stages
    """,
    "archbuilder.trainer.callbacks": """
        callback_list history learning_rates monitors nan_batch_dump probe_logs progress_bar
        sample_images steps_per_execution swap_ema_weights tensorboard terminate_on_nan
        recipe_callbacks
        checkpoint
    """,
    "archbuilder.weights": """
        dtypes entries hdf5_headers hdf5_heaps word_vectors
        hdf5 match model_weights
        readers
        load
    """,
    "archbuilder.yaml": """
        nodes scalars
        reader
    """,
    "archbuilder.cli": """
        console key_value numbers option_group path_type summary usage_errors
        application command setting_option
        common_options device_options explain weights_options
        compile expand list new recipe_options schema show validate
        inspect_data train trained_run
        evaluate generate launch predict sample
    """,
}
"""What each package consists of, from the bottom up; each line may import the lines before it."""

IMPORT_KERAS = {
    "keras_ext",
    "keras_backend",
    "weights",
    "data",
    "scaffold",
    "distribution",
    "runs",
    "trainer",
    "objectives",
    "training",
    "inference",
}
"""The packages that may import Keras and TensorFlow when they are imported."""

DEFERRED = {
    ("archbuilder.config.objectives.block", "archbuilder.objectives"),
    ("archbuilder.config.objectives.supervised", "archbuilder.objectives"),
    ("archbuilder.config.sources.arrays", "archbuilder.data"),
    ("archbuilder.config.sources.audio", "archbuilder.data"),
    ("archbuilder.config.sources.clips", "archbuilder.data"),
    ("archbuilder.config.sources.images", "archbuilder.data"),
    ("archbuilder.config.sources.tables", "archbuilder.data"),
    ("archbuilder.config.sources.texts", "archbuilder.data"),
}
"""Imports that point upwards, within functions: `validate` reads the declaration of an objective or
a source, and only training needs the half with TensorFlow, which the declaration imports then."""

HEAVY = {"keras", "tensorflow", "numpy"}


MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def layers(package: str) -> dict[str, int]:
    """Return the layer of each member of a package, counted from the bottom."""
    lines = ORDER[package].split("\n")
    return {name: layer for layer, line in enumerate(lines) for name in line.split()}


@cache
def imports(module: str, *, top_level_only: bool = False) -> frozenset[str]:
    """Return the modules that a module imports, without those under TYPE_CHECKING."""
    tree = ast.parse(MODULES[module].read_text())
    return frozenset(imported_names(tree, top_level_only=top_level_only))


def imported_names(tree: ast.AST, *, top_level_only: bool) -> Iterator[str]:
    nodes = list(ast.iter_child_nodes(tree))
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & MODULES.keys() or {node.module}
        elif not (top_level_only and isinstance(node, ast.FunctionDef)):
            nodes.extend(ast.iter_child_nodes(node))


def member(module: str, package: str) -> str:
    """Return the name of the member of a package to which a module belongs, or ""."""
    return module.removeprefix(f"{package}.").split(".")[0] if module != package else ""


@pytest.mark.parametrize("package", ORDER)
def test_every_module_has_a_rank(package: str):
    """A new module gets a place in the order of its package."""
    members = {member(name, package) for name in MODULES if name.startswith(f"{package}.")}
    assert members - {"__main__"} == set(layers(package))


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_downwards(package: str):
    """No module imports one that stands on the same line or after it."""
    order = layers(package)
    wrong = [
        f"{module} imports {imported}"
        for module in MODULES
        if module.startswith(f"{package}.") and (source_package := member(module, package)) in order
        for imported in sorted(imports(module))
        if imported.startswith(f"{package}.")
        and (name := member(imported, package)) != source_package
        and order[name] >= order[source_package]
        and (module, f"{package}.{name}") not in DEFERRED
    ]
    assert not wrong


@pytest.mark.parametrize("module", sorted(MODULES))
def test_keras_is_imported_late(module: str):
    """Only the packages that are built on Keras, TensorFlow and numpy import them at the top."""
    if member(module, "archbuilder") in IMPORT_KERAS:
        return
    names = {name.partition(".")[0] for name in imports(module, top_level_only=True)}
    assert not names & HEAVY


def test_imports_have_no_cycles():
    """No two modules need each other to be imported."""
    graph = {
        name: (imports(name, top_level_only=True) & MODULES.keys()) - {name} for name in MODULES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for imported in sorted(graph[name]):
                visit(imported, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("code", ["import archbuilder", "import archbuilder.cli"])
def test_importing_needs_no_keras(code: str):
    """Neither the package nor the command line brings in Keras, TensorFlow or numpy."""
    heavy = "{'keras', 'tensorflow', 'numpy'} & {n.partition('.')[0] for n in sys.modules}"
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint({heavy})"]
    assert subprocess.check_output(command, text=True).strip() == "set()"
