"""Manifests of Kubernetes: a job with a pod for every machine, and names by which they find it."""

from __future__ import annotations

import json
from typing import Final

import yaml

from archbuilder.distribution.cluster_spec import PORT, TF_CONFIG_VAR
from archbuilder.launch.job import Job, check_dns_label, check_word, parse_slurm_time
from archbuilder.plain_data import PlainData

_INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"
"""What Kubernetes tells a pod of an indexed job."""
_BACKOFF_LIMIT_PER_POD: Final = 10
"""How often a pod is started again before the job has failed."""
_GRACE_PERIOD_SECONDS: Final = 120
"""Seconds that a pod has to keep its run when it is told to stop."""


def kubernetes_manifest(job: Job, image: str, claim: str, mount: str = "/work") -> str:
    """A headless service and an indexed job.

    The pods have the names `NAME-0`, `NAME-1` and so on, also when they are started again, and the
    volume of the claim at `mount`, which is where the command is started.

    Raises:
        UsageError: if a name is none.
    """
    service: PlainData = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": job.name},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"job-name": job.name},
            "ports": [{"name": "training", "port": PORT}],
        },
    }
    spec: dict[str, PlainData] = {
        "completions": job.nodes,
        "parallelism": job.nodes,
        "completionMode": "Indexed",
        "backoffLimit": _BACKOFF_LIMIT_PER_POD * job.nodes,
        "template": {
            "spec": {
                "subdomain": job.name,
                "restartPolicy": "OnFailure",
                "terminationGracePeriodSeconds": _GRACE_PERIOD_SECONDS,
                "containers": [_container(job, check_word(image, "--image"), mount)],
                "volumes": [
                    {
                        "name": "work",
                        "persistentVolumeClaim": {"claimName": check_dns_label(claim, "--claim")},
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
    return yaml.safe_dump_all([service, job_resource], sort_keys=False, width=1_000)


def _container(job: Job, image: str, mount: str) -> PlainData:
    limits: dict[str, PlainData] = {}
    if job.gpus:
        limits["nvidia.com/gpu"] = job.gpus
    if job.cpus:
        limits["cpu"] = str(job.cpus)
    if job.memory:
        limits["memory"] = f"{job.memory}i"
    return {
        "name": "worker",
        "image": image,
        "workingDir": mount,
        "command": ["/bin/sh", "-c", _script(job)],
        "ports": [{"containerPort": PORT}],
        "resources": {"limits": limits},
        "volumeMounts": [{"name": "work", "mountPath": mount}],
    }


def _script(job: Job) -> str:
    """Tells the pod which worker it is, and becomes the command, which then hears signals."""
    if job.nodes == 1:
        return f"exec {job.command_line()}"
    workers = [f"{job.name}-{number}.{job.name}:{PORT}" for number in range(job.nodes)]
    # Names and numbers alone, which mean nothing to a shell within single quotes.
    prefix, suffix = json.dumps(
        {"cluster": {"worker": workers}, "task": {"type": "worker", "index": _INDEX_VARIABLE}}
    ).split(f'"{_INDEX_VARIABLE}"')
    config = f"'{prefix}'\"${_INDEX_VARIABLE}\"'{suffix}'"
    return f"export {TF_CONFIG_VAR}={config}\nexec {job.command_line()}"
