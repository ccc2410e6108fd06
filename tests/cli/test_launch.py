"""`archbuilder launch`: job files that are checked as clusters check them, and carried out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from archbuilder.cli import main
from archbuilder.distribution.cluster_spec import Cluster, read_cluster

BLUEPRINT = """
archbuilder: 1
name: net
inputs: {image: [64]}
layers: [{Dense: {units: 10, activation: softmax}}]
data: digits
training: {loss: SparseCategoricalCrossentropy, epochs: 1, batch_size: 128, seed: 4}
"""
SRUN = """
# Starts two tasks of this machine with the variables that Slurm's own srun sets. They are forked
# from one process, which imports TensorFlow once.
import multiprocessing
import os
import sys
from archbuilder import training
from archbuilder.cli.application import run_command


def carry_out(index):
    os.environ["SLURM_PROCID"] = str(index)
    if index:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    run_command()


words = sys.argv[1:]
while words[0].startswith("--"):
    words = words[1:]
assert words[0] == "archbuilder", words
sys.argv = words
os.environ |= dict(
    SLURM_JOB_ID="42",
    SLURM_STEP_ID=str(os.getpid()),
    SLURM_STEP_NUM_TASKS="2",
    SLURM_STEP_NODELIST="127.0.0.1",
    SLURM_STEP_TASKS_PER_NODE="2",
)
tasks = [multiprocessing.get_context("fork").Process(target=carry_out, args=[i]) for i in range(2)]
for task in tasks:
    task.start()
for task in tasks:
    task.join()
sys.exit(max(task.exitcode for task in tasks))
"""
KUBERNETES = ("--kubernetes", "--image", "registry.io/team/archbuilder:1", "--pvc", "work")


def launched(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["launch", *arguments]) == 0
    return capsys.readouterr().out


def programs(folder: Path) -> dict[str, str]:
    """An environment in which `srun` is ours, and carries out what is tested."""
    folder.mkdir()
    (folder / "srun").write_text(f"#!{sys.executable}\n{SRUN}")
    (folder / "srun").chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
    return {**environment, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.thorough
def test_slurm_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Two tasks train together; the same job file again goes on with the run."""
    blueprint, run = tmp_path / "my net.yaml", tmp_path / "run"
    blueprint.write_text(BLUEPRINT)
    job = tmp_path / "job.sh"
    options = ("--slurm", "--nodes", "2", "--gpus", "8", "--time", "1-02:00:00", "--memory", "4G")
    command = ("train", str(blueprint), "--seed", "5", "--run-dir", str(run))
    out = launched(capsys, *options, "--partition", "big", "--output", str(job), "--", *command)
    assert out == f"Saved {job}\n"
    lines = job.read_text().splitlines()
    for line in ("nodes=2", "gpus-per-node=8", "time=1-02:00:00", "mem=4G", "partition=big"):
        assert f"#SBATCH --{line}" in lines
    subprocess.run(["bash", "-n", str(job)], check=True)
    environment = programs(tmp_path / "bin")
    for expected in ("(multi_worker: Slurm)", "Run already finished (1 epoch)"):
        done = subprocess.run(
            [str(job)] if os.access(job, os.X_OK) else ["bash", str(job)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert expected in done.stdout
        record = json.loads((run / "run.json").read_text())
        assert (record["status"], record["seed"]) == ("finished", 5)


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"),
    [
        (0, 0, False),
        (1, 0, False),  # the run failed, and would fail again
        (2, 0, False),  # the input is wrong
        (75, 0, True),  # stopped at its time limit, or a worker was lost
        (75, 19, True),
        (75, 20, False),
        (137, 1, True),  # a worker was killed
        (137, 20, False),
    ],
)
def test_slurm_requeues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, restarts: int, requeued: bool
):
    """The job starts again after what another start can mend, a bounded number of times."""
    job = launched(capsys, "--slurm", "--nodes", "2", "--", "train", "net", "--run-dir", "x")
    for name, text in (("srun", f"exit {code}"), ("scontrol", f'echo "$@" >> {tmp_path}/calls')):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "42",
        **({"SLURM_RESTART_COUNT": str(restarts)} if restarts else {}),
    }
    done = subprocess.run(["bash", "-c", job], env=environment, check=False, capture_output=True)
    assert done.returncode == code
    assert (tmp_path / "calls").exists() == requeued
    if requeued:
        assert (tmp_path / "calls").read_text() == "requeue 42\n"


def test_kubernetes_manifest(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """The manifest keeps the published schemas, and every pod learns which worker it is."""
    text = launched(
        capsys,
        *KUBERNETES,
        "--nodes",
        "3",
        "--gpus",
        "2",
        "--cpus",
        "4",
        "--memory",
        "8G",
        "--time",
        "0:30:00",
        "--name",
        "night-run",
        "--",
        "train",
        "it's a net.yaml",
        "--run-dir",
        "runs/x",
    )
    service, job = yaml.safe_load_all(text)
    for resource in (service, job):
        kubernetes_validate.validate(resource, "1.35", strict=True)
    assert service["metadata"]["name"] == job["spec"]["template"]["spec"]["subdomain"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert (job["spec"]["completions"], job["spec"]["activeDeadlineSeconds"]) == (3, 1800)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    limits = {"nvidia.com/gpu": 2, "cpu": "4", "memory": "8Gi"}
    assert container["resources"]["limits"] == limits
    (tmp_path / "archbuilder").write_text('#!/bin/sh\necho "$TF_CONFIG"\nprintf "%s|" "$@"\n')
    (tmp_path / "archbuilder").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    for index in range(3):
        environment = {"PATH": path, "JOB_COMPLETION_INDEX": str(index)}
        out = subprocess.check_output(container["command"], env=environment, text=True)
        config, arguments = out.split("\n")
        workers = tuple(f"night-run-{number}.night-run:29400" for number in range(3))
        cluster = Cluster(workers, index, "TF_CONFIG")
        assert read_cluster({"TF_CONFIG": config}) == cluster
        expected = "train|it's a net.yaml|--run-dir|runs/x|--auto-resume|--distribute|multi_worker|"
        assert arguments == expected


def test_single_node_job(capsys: pytest.CaptureFixture[str]):
    """It is no cluster."""
    for system in (("--slurm",), KUBERNETES):
        text = launched(capsys, *system, "--", "train", "net.yaml", "--run-dir=x")
        assert "multi_worker" not in text
        assert "TF_CONFIG" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "train", "a"], "pass --run-dir DIR"),
        (
            ["--slurm", "--kubernetes", "--", "train", "a", "--run-dir", "b"],
            "either --slurm or --kubernetes",
        ),
        (
            ["--", "train", "a", "--run-dir", "b", "--epohcs", "3"],
            "unknown option '--epohcs'; did you mean '--epochs'?",
        ),
        (["--", "train", "a", "--run-dir", "b", "--epochs", "x"], "must be an integer, not 'x'"),
        (["--", "show", "a"], "pass the command 'train' after --"),
        (["--", "train", "a", "--run-dir", "b", "--workers=2"], "--workers cannot be used"),
        (["--name", "No", "--", "train", "a", "--run-dir", "b"], "not 'No'"),
        (
            ["--name", "a\n#SBATCH --x", "--", "train", "a", "--run-dir", "b"],
            "--name must consist of",
        ),
        (
            ["--memory", "8", "--", "train", "a", "--run-dir", "b"],
            "--memory must be a size as in 16G",
        ),
        (["--time", "soon", "--", "train", "a", "--run-dir", "b"], "--time must be as in"),
        (
            ["--time", "\u0661\u0662:00:00", "--", "train", "a", "--run-dir", "b"],
            "--time must be as in",
        ),
        (["--time", "1-25:00:00", "--", "train", "a", "--run-dir", "b"], "write 2-01:00:00"),
        (["--slurm", "--partition", "a b", "--", "train", "a", "--run-dir", "b"], "--partition is"),
        (
            ["--slurm", "--pvc", "a", "--", "train", "a", "--run-dir", "b"],
            "can only be used with --kubernetes",
        ),
        (["--kubernetes", "--", "train", "a", "--run-dir", "b"], "needs --image and --pvc"),
        (
            [*KUBERNETES, "--pvc", "A", "--", "train", "a", "--run-dir", "b"],
            "--pvc must consist of",
        ),
        (["--", "train", "a", "--run-dir", "b"], "--slurm or --kubernetes"),
    ],
)
def test_invalid_options(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str):
    """Every mistake is one sentence."""
    capsys.readouterr()
    assert main(["launch", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_auto_resume_needs_a_run_directory(capsys: pytest.CaptureFixture[str]):
    """Else every start would be a new run."""
    assert main(["train", "digits_cnn", "--auto-resume"]) == 2
    assert "--auto-resume needs --run-dir DIR" in capsys.readouterr().err


def test_output_does_not_replace_the_blueprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """An output that is a file of the command is most likely a slip."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text("archbuilder: 1\n")
    train = ("train", "net.yaml", "--run-dir", "x")
    words = ("launch", "--slurm", "--output", "net.yaml", "--", *train)
    assert main([*words]) == 2
    assert "'net.yaml' is used by the command" in capsys.readouterr().err
    assert (tmp_path / "net.yaml").read_text() == "archbuilder: 1\n"
