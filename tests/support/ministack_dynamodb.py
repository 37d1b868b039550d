"""MiniStack with DynamoDB alone, one process in memory: the emulator of the local stack, which is there on every machine."""

import sys
from collections.abc import Mapping, Sequence

from local.processes import minimal_environment
from tests.support.aws import REGION


def command() -> Sequence[str]:
    """Return the command that serves."""
    return (sys.executable, "-m", "ministack")


def environment(port: int) -> Mapping[str, str]:
    """Return what it is told: where to serve, and to keep to DynamoDB and to memory. Nothing of ours gets there."""
    return minimal_environment() | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "SERVICES": "dynamodb,dynamodbstreams",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        # It looks for containers that it left behind, where there is a Docker.
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
        "LOG_LEVEL": "ERROR",
    }
