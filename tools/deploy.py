"""Deploys what `make build` built, without a question: `STACK=my-meter MODE=test make deploy`.

Region and profile are AWS's own variables (AWS_REGION, AWS_PROFILE). The rest of the settings come from the section of
samconfig.toml that has the mode's name, and from the environment, under the names that the official SDK uses.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import boto3

from tools.build import BUILD_FOLDER, BuildError, read_record
from tools.cfn_template import ROOT, load_template
from tools.marks import PARAMETERS, NoMark, write_mark

MODES: Final = ("test", "prod")
SAMCONFIG: Final = ROOT / "samconfig.toml"
PARAMETER_OF: Final[Mapping[str, str]] = {
    "WAFFO_STORE_ID": "WaffoStoreId",
    "WAFFO_MERCHANT_ID": "WaffoMerchantId",
    "WAFFO_PRIVATE_KEY_SECRET_ARN": "WaffoPrivateKeySecretArn",
    "WAFFO_API_URL": "WaffoApiUrl",
    "WAFFO_WEBHOOK_TEST_PUBLIC_KEY": "WaffoWebhookTestPublicKey",
    "WAFFO_WEBHOOK_PROD_PUBLIC_KEY": "WaffoWebhookProdPublicKey",
    "WAFFO_WEBHOOK_PUBLIC_KEY": "WaffoWebhookPublicKey",
    "CHECKOUT_SUCCESS_URL": "CheckoutSuccessUrl",
    "PUBLIC_BASE_URL": "PublicBaseUrl",
    "ALARM_EMAIL": "AlarmEmail",
    "GRADUAL": "GradualDeployment",
}
"""Environment variables and the parameters of the template that they set."""

_CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
"""Roles, and a nested stack beside a transform."""

_STACK_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
"""What keys of a mode are called: ``pm_test_...``, ``pm_live_...``."""

_HTTPS_IN_PROD: Final = ("WaffoApiUrl", "PublicBaseUrl")


class DeployError(Exception):
    """The stack must not be deployed like this; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One stack to deploy, with all that is set for it."""

    stack: str
    mode: str
    parameters: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Return what differs whenever a parameter does."""
        return hashlib.sha256(json.dumps(self.parameters, sort_keys=True).encode()).hexdigest()[:16]

    def command(self) -> Sequence[str]:
        """Return the `sam deploy` that asks nothing."""
        overrides = [f'{name}="{value}"' for name, value in sorted(self.parameters.items())]
        return (
            *(str(Path(sys.executable).with_name("sam")), "deploy", "--config-env", self.mode),
            *("--template-file", str(BUILD_FOLDER / "template.yaml"), "--stack-name", self.stack),
            *(
                "--resolve-s3",
                "--capabilities",
                *_CAPABILITIES,
                "--no-confirm-changeset",
                "--no-fail-on-empty-changeset",
            ),
            *("--parameter-overrides", *overrides),
        )


def plan(
    stack: str, mode: str, environ: Mapping[str, str], config: Mapping[str, str], built: Mapping[str, str]
) -> Deployment:
    """Return the deployment. ``config`` are the section's parameters, ``built`` is the record of the build.

    Raises:
        DeployError: a setting is missing, unknown, against the mode, or not what was built.
    """
    if not stack:
        raise DeployError("name the stack: STACK=pancake-meter-test MODE=test make deploy")
    if not _STACK_NAME.fullmatch(stack):
        raise DeployError(
            "a stack's name is letters, digits and hyphens, begins with a letter, and has at most 128 of them"
        )
    if mode not in MODES:
        raise DeployError("say the mode: MODE=test or MODE=prod")
    from_environment = {name: environ[variable] for variable, name in PARAMETER_OF.items() if environ.get(variable)}
    parameters = {"GradualDeployment": str(mode == "prod").lower(), **config, **from_environment}
    _check_mode(parameters, mode)
    if parameters.get("VpcSubnetIds") and not parameters.get("VpcSecurityGroupIds"):
        raise DeployError("VpcSubnetIds needs VpcSecurityGroupIds")  # a rule of the template cannot look into lists
    _check_built(parameters, built)
    parameters |= {"WaffoEnvironment": mode, "Runtime": built["runtime"], "Architecture": built["architecture"]}
    declared = load_template()["Parameters"]
    unknown = sorted(parameters.keys() - declared.keys())
    if unknown:
        raise DeployError(
            f"the template has no parameter {', '.join(unknown)}; see [{mode}.deploy.parameters] in samconfig.toml"
        )
    missing = sorted(name for name, each in declared.items() if "Default" not in each and name not in parameters)
    if missing:
        variables = {name: variable for variable, name in PARAMETER_OF.items()}
        wanted = ", ".join(variables.get(name, name) for name in missing)
        raise DeployError(
            f"missing: {wanted}. Set them in the environment, or in samconfig.toml as parameters of {mode}"
        )
    return Deployment(stack, mode, parameters)


def configured(mode: str, path: Path = SAMCONFIG) -> Mapping[str, str]:
    """Return the parameter overrides of a mode's section: a list of `Name=value`, or one text of them."""
    with path.open("rb") as stream:
        section = tomllib.load(stream).get(mode, {}).get("deploy", {}).get("parameters", {})
    overrides = section.get("parameter_overrides", [])
    pairs = shlex.split(overrides) if isinstance(overrides, str) else overrides
    return {name: value.strip('"') for name, _, value in (pair.partition("=") for pair in pairs)}


def _check_mode(parameters: Mapping[str, str], mode: str) -> None:
    if parameters.get("WaffoEnvironment", mode) != mode:
        raise DeployError(f"samconfig.toml says WaffoEnvironment={parameters['WaffoEnvironment']} for MODE={mode}")
    for name in _HTTPS_IN_PROD:
        if mode == "prod" and parameters.get(name, "").lower().startswith("http://"):
            raise DeployError(f"{name} must be https in a prod stack")


def _check_built(parameters: Mapping[str, str], built: Mapping[str, str]) -> None:
    for name, what in (("Runtime", "runtime"), ("Architecture", "architecture")):
        if parameters.get(name, built[what]) != built[what]:
            wanted = f"{name.upper()}={parameters[name]}"
            raise DeployError(
                f"built for {built[what]}, to be deployed for {parameters[name]}: run `make build {wanted}`"
            )


def mark(deployment: Deployment, built: Path) -> None:
    """Write the digest of the parameters into the built template, so that each change of them publishes new versions.

    Raises:
        DeployError: the template has no place for it.
    """
    try:
        write_mark(built, PARAMETERS, deployment.digest)
    except NoMark as error:
        raise DeployError(str(error)) from error


def next_steps(deployment: Deployment, outputs: Mapping[str, str]) -> str:
    """Return what the operator does after a deployment."""
    url = outputs["WebhookUrl"]
    asked = f"--stack {deployment.stack} --name backend --roles meter,sell"
    make_key = f"PYTHONPATH=layers/shared .venv/bin/python -m tools.api_key create {asked}"
    return f"""
{deployment.stack} serves {outputs["ApiUrl"]}

1. Make an API key for your backend. It is shown once:
   {make_key}
2. Register this webhook with Waffo, in {deployment.mode} mode, for every event type:
   {url}
3. Ask:
   curl -H "Authorization: Bearer <the key>" {outputs["ApiUrl"]}/v1/customers/ada/quota
"""


def _outputs(stack: str) -> Mapping[str, str]:
    (described,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def main() -> int:
    """Deploy, or with `--dry-run` print the command; the exit status is 1 where it must not or could not be."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy")
    parser.add_argument("--stack", default=os.environ.get("STACK", ""))
    parser.add_argument("--mode", default=os.environ.get("MODE", ""))
    parser.add_argument("--dry-run", action="store_true", help="check everything that can be checked here, and stop")
    asked = parser.parse_args()
    try:
        deployment = plan(asked.stack, asked.mode, os.environ, configured(asked.mode), read_record(BUILD_FOLDER))
        mark(deployment, BUILD_FOLDER / "template.yaml")
    except (DeployError, BuildError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    command = deployment.command()
    if asked.dry_run:
        print(shlex.join(command))
        return 0
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        print(next_steps(deployment, _outputs(deployment.stack)))
    return status


if __name__ == "__main__":
    sys.exit(main())
