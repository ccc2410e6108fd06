"""What would not fit into memory is refused before any of it is taken."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from helpers.graphs import chain, network, step

from archbuilder.compiler.ir import Graph
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic
from archbuilder.keras_backend import analyze, build, build_symbolic
from archbuilder.keras_backend.machine_memory import cgroup_limit, limit_files, total_memory
from archbuilder.limits import Limits

HUGE = chain((8,), ("RepeatVector", {"n": 10**9}))


def refused(
    graph: Graph, limits: Limits | None = None, *, code: str = "memory-limit"
) -> tuple[Diagnostic, ...]:
    """Return the errors of a graph that is not built, all of one code."""
    with pytest.raises(BlueprintError) as caught:
        build(graph, limits or Limits(memory_bytes=2**30))
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {code}
    return caught.value.diagnostics


def test_activations_exceed_memory():
    """A layer without weights may still make more than there is memory."""
    (diagnostic,) = refused(HUGE)
    assert diagnostic.message == (
        "'step0' (RepeatVector) has the output (1000000000, 8), which needs 29.8 GiB for one"
        " example, but the limit memory_bytes allows 1.0 GiB"
    )


def test_weights_exceed_memory():
    """A layer whose weights do not fit is named with what they take, at once."""
    began = time.process_time()
    (diagnostic,) = refused(chain((8,), ("Dense", {"units": 10**10})))
    assert "has weights of 335.3 GiB" in diagnostic.message
    assert time.process_time() - began < 5


def test_initialization_exceeds_memory():
    """Weights that fit may still be too large to be made."""
    (diagnostic,) = refused(chain((8,), ("Dense", {"units": 2**24})), Limits(memory_bytes=2**30))
    assert "needs up to 1.6 GiB while its weights are initialized" in diagnostic.message


def test_sum_of_weights_exceeds_memory():
    """Where no step is too large alone, the largest are named."""
    graph = chain((8000,), *[("Dense", {"units": 8000})] * 9)
    (diagnostic,) = refused(graph)
    assert diagnostic.message.startswith("initializing the weights needs 2.6 GiB")
    assert diagnostic.notes[0] == "'step0' needs 244.2 MiB"


def test_live_activations_exceed_memory():
    """What is alive at once counts, in the order of the graph: here forty tensors and their sum."""
    nodes = [step(f"s{index}", "Activation", "x", activation="relu") for index in range(40)]
    graph = network({"x": (2**21,)}, *nodes, step("sum", "Add", [node.name for node in nodes]))
    assert analyze(graph).peak_activation_bytes == 41 * 2**23
    (diagnostic,) = refused(graph, Limits(memory_bytes=2**28))
    assert diagnostic.message.startswith("the activations of one example need 328.0 MiB")


def test_orthogonal_initialization_limit():
    """A matrix that fits may still take hours to make orthogonal."""
    graph = chain((8, 8), ("LSTM", {"units": 20_000}))
    (diagnostic,) = refused(graph, Limits(memory_bytes=2**60), code="limit-exceeded")
    assert "an orthogonal matrix of 20,000 x 80,000" in diagnostic.message


def test_reservoir_initialization_limit():
    """The eigenvalues of a reservoir that fits may take hours; an analysis takes none."""
    cell = {"ReservoirCell": {"units": 5_000}}
    graph = chain((8, 8), ("RNN", {"cell": cell}))
    (diagnostic,) = refused(graph, Limits(memory_bytes=2**60), code="limit-exceeded")
    assert "a reservoir of 5,000 units" in diagnostic.message
    assert analyze(graph).parameters == 5_000 * 5_009


LSTM = {"LSTM": {"units": 2, "unroll": True}}


@pytest.mark.parametrize(
    ("shape", "operation", "values", "steps"),
    [
        ((300, 3), "LSTM", {"units": 2, "unroll": True}, "300 steps"),
        ((None, 3), "LSTM", {"units": 2, "unroll": True}, "an unknown number of steps"),
        ((300, 3), "Bidirectional", {"layer": LSTM}, "300 steps"),
        ((2, 300, 3), "TimeDistributed", {"layer": LSTM}, "300 steps"),
        (
            (2, 300, 3),
            "TimeDistributed",
            {"layer": {"Bidirectional": {"layer": LSTM}}},
            "300 steps",
        ),
        ((300, 2, 3), "TimeDistributed", {"layer": LSTM}, ""),
        ((300, 3), "LSTM", {"units": 2}, ""),
    ],
)
def test_unroll_limit_within_time_distributed(
    shape: tuple[int | None, ...], operation: str, values: dict[str, object], steps: str
):
    """TimeDistributed takes the first axis of its input away from the layer that it wraps."""
    symbolic = build_symbolic(chain(shape, (operation, values)))
    if not steps:
        symbolic.check(Limits())
        return
    with pytest.raises(BlueprintError) as caught:
        symbolic.check(Limits())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "limit-exceeded"
    assert f"unrolls {steps}, but 256 are allowed" in diagnostic.message


def test_analysis_without_limits():
    """An analysis without limits tells the numbers of what could not be built."""
    assert analyze(HUGE).activation_bytes == 32 * 10**9 + 32
    with pytest.raises(BlueprintError):
        analyze(HUGE, Limits(memory_bytes=2**30))


def test_machine_memory_limit():
    """Without a limit, the memory of this machine is one."""
    with pytest.raises(BlueprintError, match="but this machine has"):
        build(chain((8,), ("RepeatVector", {"n": 10**15})))
    assert total_memory() > 2**28


def test_container_memory_limit(tmp_path: Path):
    """The limit of a container is read where it has one."""
    (tmp_path / "limited").write_text("1073741824\n")
    (tmp_path / "free").write_text("max\n")
    assert cgroup_limit(tmp_path / "limited") == 2**30
    assert cgroup_limit(tmp_path / "free") is None
    assert cgroup_limit(tmp_path / "nothing") is None


def test_cgroup_memory_limits(tmp_path: Path):
    """Systemd and Slurm limit a cgroup below the root; those above it count too."""
    cgroups = tmp_path / "self"
    root = tmp_path / "cgroup"
    fixed = [root / "memory.max", root / "memory" / "memory.limit_in_bytes"]
    assert limit_files(cgroups, root) == fixed
    cgroups.write_text("0::/user.slice/job.scope\n")
    inner = [root / "user.slice" / "memory.max", root / "user.slice" / "job.scope" / "memory.max"]
    assert limit_files(cgroups, root) == [*fixed, *inner]
    cgroups.write_text("10:cpu:/slurm\n9:hugetlb,memory:/slurm/job_7\n")
    slurm = root / "memory" / "slurm"
    name = "memory.limit_in_bytes"
    assert limit_files(cgroups, root) == [*fixed, slurm / name, slurm / "job_7" / name]


def test_scalar_weights():
    """A weight without axes is no matrix that takes long to compute."""
    attend = step("attend", "Attention", ["x", "x"], use_scale=True)
    assert build(network({"x": (4, 3)}, attend)).count_params() == 1
