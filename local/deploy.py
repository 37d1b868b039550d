"""Builds and deploys template.yaml with the real SAM CLI, into MiniStack. What has not changed is not built again."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import ROOT
from local.errors import LocalStackError
from local.moved_clock import move_function_clocks
from local.packed import PACKED_TEMPLATE, pack
from local.processes import Children
from local.stack import DUMMY_CREDENTIAL, REGION, MiniStack
from tools.build import BuildError, architecture_here

STACK_NAME = "pancake-meter"
ARTIFACTS_BUCKET = "pancake-meter-artifacts"
BUILD_SECONDS_MAX = 300.0
DEPLOY_SECONDS_MAX = 180.0
NO_CONFIG_ENVIRONMENT = "local"
BUILT = "build"
BUILT_FROM = (
    *("functions", "layers", "template.yaml", "observability.yaml", "requirements-dev.txt"),
    *("tools/build.py", "tools/byte_code.py", "tools/cfn_template.py", "tools/marks.py", "tools/sam.py"),
    *("local/function_clock.py", "local/moved_clock.py", "local/packed.py", "local/deploy.py"),
)
"""All that a build depends on, but for the Python, the processor and the system of this machine."""

DEPLOY_POLL_SECONDS = 0.05
"""How often ``sam deploy`` looks how far it is; by itself every 5 seconds."""


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """What CloudFormation says about the stack: outputs by name, physical ids by logical id, the template after SAM."""

    outputs: Mapping[str, str]
    physical_ids: Mapping[str, str]
    processed_template: Mapping[str, Any]


def runtime() -> str:
    """Return the Lambda runtime of this Python: MiniStack runs functions with its own interpreter."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def architecture() -> str:
    """Return the Lambda architecture of this machine: the layer holds compiled wheels. Raises `LocalStackError`."""
    try:
        return architecture_here()
    except BuildError as error:
        raise LocalStackError(str(error)) from error


@contextmanager
def built(children: Children, folder: Path) -> Iterator[Path]:
    """Give `folder` with the sources built as they are now, for this Python and with this machine's wheels.

    Stacks may share it: while one of them is in here, no other builds other sources into it. Raises `LocalStackError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted, record = fingerprint(ROOT), folder / "built-from"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        while not _says(record, wanted):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _says(record, wanted):
                record.unlink(missing_ok=True)
                _build(children, folder)
                move_function_clocks(folder)
                pack(folder / BUILT)
                record.write_text(wanted, encoding="ascii")
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder


def fingerprint(root: Path) -> str:
    """Return a hash of all that a build below `root` depends on."""
    found = hashlib.sha256(f"{runtime()} {architecture()} {sys.platform} {sys.version}".encode())
    for name in BUILT_FROM:
        path = root / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                found.update(f"{file.relative_to(root)} {content}\n".encode())
    return found.hexdigest()


def _says(record: Path, wanted: str) -> bool:
    return record.exists() and record.read_text(encoding="ascii") == wanted


def _build(children: Children, folder: Path) -> None:
    command = (
        *(sys.executable, "-m", "tools.build", "--native", "--runtime", runtime(), "--architecture", architecture()),
        *("--build-dir", str(folder / BUILT), "--cache-dir", str(folder / "cache")),
    )
    # `sam build` keeps what layers depend on below its working folder: two stacks must not share it at the same time.
    children.run("sam-build", command, {**_sam_environment(None), "PYTHONPATH": str(ROOT)}, BUILD_SECONDS_MAX, folder)


def deploy(children: Children, ministack: MiniStack, folder: Path, parameters: Mapping[str, str]) -> None:
    """Run `sam deploy` of what is `built` in `folder`. Raises `LocalStackError`."""
    overrides = _overrides({**parameters, "Runtime": runtime(), "Architecture": architecture()})
    command = (
        *_sam("deploy"),
        *("--template-file", str(folder / BUILT / PACKED_TEMPLATE), "--stack-name", STACK_NAME),
        *("--s3-bucket", ARTIFACTS_BUCKET, "--region", REGION, "--capabilities", "CAPABILITY_IAM"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
        *("--parameter-overrides", *overrides),
    )
    children.run("sam-deploy", command, _sam_environment(ministack), DEPLOY_SECONDS_MAX)


def read_stack(ministack: MiniStack) -> DeployedStack:
    """Read what was deployed."""
    cloudformation = ministack.cloudformation()
    (stack,) = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    resources = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    template = cloudformation.get_template(StackName=STACK_NAME, TemplateStage="Processed")["TemplateBody"]
    return DeployedStack(
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
        physical_ids={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
        processed_template=template,
    )


def _sam(action: str) -> tuple[str, ...]:
    # A file of deployment settings is for AWS; no section of it has this name.
    return (sys.executable, "-m", "tools.sam", action, "--config-env", NO_CONFIG_ENVIRONMENT)


def _overrides(parameters: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f'{name}="{value}"' for name, value in parameters.items() if value)


def _sam_environment(ministack: MiniStack | None) -> Mapping[str, str]:
    """Return our environment without any AWS setting of the person's own, and with our Python first on the path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "SAM_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "AWS_ACCESS_KEY_ID": DUMMY_CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": DUMMY_CREDENTIAL,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": str(DEPLOY_POLL_SECONDS),
    }
    if ministack is not None:
        environment["AWS_ENDPOINT_URL"] = ministack.endpoint_url
        environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1,localhost"
    return environment
