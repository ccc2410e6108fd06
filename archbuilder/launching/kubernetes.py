"""Manifests of Kubernetes: a job with a pod for every machine, and names by which they find it."""

from __future__ import annotations

import json
from typing import Final

import yaml

from archbuilder.launching.cluster import CONFIG, PORT
from archbuilder.launching.job import Job, label, seconds, word
from archbuilder.tree import Plain

_INDEX: Final = "JOB_COMPLETION_INDEX"
"""What Kubernetes tells a pod of an indexed job."""
_STARTS: Final = 10
"""How often a pod is started again before the job has failed."""
_GRACE: Final = 120
"""Seconds that a pod has to keep its run when it is told to stop."""


def kubernetes_manifest(job: Job, image: str, claim: str, mount: str = "/work") -> str:
    """A headless service and an indexed job.

    The pods have the names `NAME-0`, `NAME-1` and so on, also when they are started again, and the
    volume of the claim at `mount`, which is where the command is started.

    Raises:
        UsageError: if a name is none.
    """
    service: Plain = {
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
    spec: dict[str, Plain] = {
        "completions": job.nodes,
        "parallelism": job.nodes,
        "completionMode": "Indexed",
        "backoffLimit": _STARTS * job.nodes,
        "template": {
            "spec": {
                "subdomain": job.name,
                "restartPolicy": "OnFailure",
                "terminationGracePeriodSeconds": _GRACE,
                "containers": [_container(job, word(image, "--image"), mount)],
                "volumes": [
                    {
                        "name": "work",
                        "persistentVolumeClaim": {"claimName": label(claim, "--claim")},
                    }
                ],
            }
        },
    }
    if job.time is not None:
        spec["activeDeadlineSeconds"] = seconds(job.time)
    batch: Plain = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job.name},
        "spec": spec,
    }
    return yaml.safe_dump_all([service, batch], sort_keys=False, width=1_000)


def _container(job: Job, image: str, mount: str) -> Plain:
    limits: dict[str, Plain] = {}
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
        return f"exec {job.line()}"
    workers = [f"{job.name}-{number}.{job.name}:{PORT}" for number in range(job.nodes)]
    # Names and numbers alone, which mean nothing to a shell within single quotes.
    before, after = json.dumps(
        {"cluster": {"worker": workers}, "task": {"type": "worker", "index": _INDEX}}
    ).split(f'"{_INDEX}"')
    config = f"'{before}'\"${_INDEX}\"'{after}'"
    return f"export {CONFIG}={config}\nexec {job.line()}"
