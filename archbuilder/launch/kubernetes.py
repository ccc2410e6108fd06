"""Kubernetes manifests: an indexed job with a pod per worker, and a service that names the pods."""

from __future__ import annotations

import json
from typing import Final

import yaml

from archbuilder.distribution.cluster_spec import PORT, TF_CONFIG_VAR
from archbuilder.launch.job import Job, check_dns_label, check_word, parse_slurm_time
from archbuilder.plain_data import PlainData

_INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"
"""The environment variable with the index of a pod in an indexed job."""
_BACKOFF_LIMIT_PER_POD: Final = 10
"""Restarts per pod before the job fails."""
_GRACE_PERIOD_SECONDS: Final = 120
"""Seconds between SIGTERM and SIGKILL, for a checkpoint; Kubernetes's default is 30."""


def kubernetes_manifest(job: Job, image: str, pvc: str, mount: str = "/work") -> str:
    """Return a headless service and an indexed job, as YAML.

    The pods have the host names `NAME-0`, `NAME-1` and so on, also after a restart. The volume of
    the PersistentVolumeClaim `pvc` is mounted at `mount`, the working directory of the command.

    Raises:
        UsageError: if `image` or `pvc` is not a valid name.
    """
    service: PlainData = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": job.name},
        "spec": {
            # Headless: each pod has a DNS name of its own, and no load balancer comes between.
            "clusterIP": "None",
            # Workers look each other up while they start, before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": {"job-name": job.name},
            "ports": [{"name": "training", "port": PORT}],
        },
    }
    spec: dict[str, PlainData] = {
        "completions": job.nodes,
        "parallelism": job.nodes,
        "completionMode": "Indexed",
        # Kubernetes counts the restarts of all pods together.
        "backoffLimit": _BACKOFF_LIMIT_PER_POD * job.nodes,
        "template": {
            "spec": {
                # The name of the service, which makes NAME-0.NAME the address of a pod.
                "subdomain": job.name,
                "restartPolicy": "OnFailure",
                "terminationGracePeriodSeconds": _GRACE_PERIOD_SECONDS,
                "containers": [_container(job, check_word(image, "--image"), mount)],
                "volumes": [
                    {
                        "name": "work",
                        "persistentVolumeClaim": {"claimName": check_dns_label(pvc, "--pvc")},
                    }
                ],
            }
        },
    }
    if job.time is not None:
        spec["activeDeadlineSeconds"] = parse_slurm_time(job.time)
    job_resource: PlainData = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job.name},
        "spec": spec,
    }
    # A large width keeps the command on one line: PyYAML folds long strings at 80 columns.
    return yaml.safe_dump_all([service, job_resource], sort_keys=False, width=1_000)


def _container(job: Job, image: str, mount: str) -> PlainData:
    # `exec`: the command replaces the shell, so that it receives Kubernetes's SIGTERM itself.
    script = f"exec {job.command_line()}"
    if job.nodes > 1:
        workers = [f"{job.name}-{number}.{job.name}:{PORT}" for number in range(job.nodes)]
        # The index is known only inside the pod, so that the shell has to expand it: everything
        # around it is single-quoted, and holds only checked names, numbers and JSON punctuation.
        prefix, suffix = json.dumps(
            {"cluster": {"worker": workers}, "task": {"type": "worker", "index": _INDEX_VARIABLE}}
        ).split(f'"{_INDEX_VARIABLE}"')
        config = f"'{prefix}'\"${_INDEX_VARIABLE}\"'{suffix}'"
        script = f"export {TF_CONFIG_VAR}={config}\n{script}"
    # Requests default to the limits, so that the scheduler reserves the resources as well.
    limits: dict[str, PlainData] = {}
    if job.gpus:
        limits["nvidia.com/gpu"] = job.gpus
    if job.cpus:
        limits["cpu"] = str(job.cpus)
    if job.memory:
        # "16G" of `--memory` means GiB, as in Slurm. Kubernetes writes that "16Gi"; its G is 10**9.
        limits["memory"] = f"{job.memory}i"
    return {
        "name": "worker",
        "image": image,
        "workingDir": mount,
        "command": ["/bin/sh", "-c", script],
        "ports": [{"containerPort": PORT}],
        "resources": {"limits": limits},
        "volumeMounts": [{"name": "work", "mountPath": mount}],
    }
