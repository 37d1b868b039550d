"""MiniStack: the AWS emulator that carries the stack. One process on 127.0.0.1, with only the services it needs."""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from local.moved_clock import CLOCK_FILE_VARIABLE, clock_file
from local.ports import HOST, is_open
from local.processes import Child, Children, minimal_environment, wait_until

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

REGION = "us-east-1"
DUMMY_CREDENTIAL = "test"
START_SECONDS_MAX = 60.0
IDLE_WORKER_SECONDS = 24 * 3600
SERVICES = (
    "account",
    "apigateway",
    "cloudformation",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "scheduler",
    "secretsmanager",
    "sqs",
    "ssm",
    "sts",
)


@dataclass(frozen=True, slots=True)
class MiniStack:
    """A MiniStack at `endpoint_url`, and clients for it."""

    endpoint_url: str

    def apigateway(self) -> "ApiGatewayV2Client":
        """Client of the `apigatewayv2` API."""
        return _session().client("apigatewayv2", endpoint_url=self.endpoint_url, config=_CONFIG)

    def cloudformation(self) -> "CloudFormationClient":
        """Client of CloudFormation."""
        return _session().client("cloudformation", endpoint_url=self.endpoint_url, config=_CONFIG)

    def dynamodb(self) -> "DynamoDBClient":
        """Client of DynamoDB."""
        return _session().client("dynamodb", endpoint_url=self.endpoint_url, config=_CONFIG)

    def lambda_(self) -> "LambdaClient":
        """Client of Lambda."""
        return _session().client("lambda", endpoint_url=self.endpoint_url, config=_CONFIG)

    def s3(self) -> "S3Client":
        """Client of S3."""
        return _session().client("s3", endpoint_url=self.endpoint_url, config=_CONFIG)

    def secretsmanager(self) -> "SecretsManagerClient":
        """Client of Secrets Manager."""
        return _session().client("secretsmanager", endpoint_url=self.endpoint_url, config=_CONFIG)


@cache
def _session() -> boto3.session.Session:
    """Return the one session: each reads anew what the AWS services are."""
    return boto3.session.Session(
        aws_access_key_id=DUMMY_CREDENTIAL, aws_secret_access_key=DUMMY_CREDENTIAL, region_name=REGION
    )


_CONFIG = Config(connect_timeout=2, read_timeout=60, retries={"total_max_attempts": 2}, s3={"addressing_style": "path"})


def start_ministack(
    children: Children, port: int, data_folder: Path, temporary_folder: Path, *, enforce_iam: bool
) -> tuple[MiniStack, Child]:
    """Start MiniStack; it is not ready yet. It goes on from what it left in `data_folder` when it was last stopped.

    With `enforce_iam` it holds every function to its role's policies, and takes no other credentials from outside than
    `test`; without, it takes any.
    """
    # Lambda workers inherit all of it: nothing of the caller's own may get there.
    environment = minimal_environment() | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": REGION,
        "SERVICES": ",".join(SERVICES),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{temporary_folder}/no-docker",
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_WARM_TTL_SECONDS": str(IDLE_WORKER_SECONDS),
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        "STATE_DIR": str(data_folder),
        "S3_DATA_DIR": str(data_folder / "s3"),
        "TMPDIR": str(temporary_folder),
        "AUTH": str(enforce_iam).lower(),
        CLOCK_FILE_VARIABLE: str(clock_file(temporary_folder)),
    }
    child = children.start("ministack", (sys.executable, "-m", "local.ministack"), environment)
    return MiniStack(f"http://{HOST}:{port}"), child


def wait_for_ministack(child: Child, port: int) -> None:
    """Wait until MiniStack answers. Raises `LocalStackError`."""
    wait_until(lambda: is_open(port), child, START_SECONDS_MAX)
