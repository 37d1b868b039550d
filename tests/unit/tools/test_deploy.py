"""`make deploy` asks nothing, and deploys nothing that was not built for it or is not fit for its mode."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.translated import published
from tools.build import layers_digest
from tools.cfn_template import ROOT, load_template
from tools.deploy import DeployError, Deployment, configured, mark, next_steps, plan
from tools.marks import LAYERS, write_mark

BUILT = {"runtime": "python3.13", "architecture": "arm64"}
GIVEN = {
    "WAFFO_STORE_ID": "STO_1",
    "WAFFO_MERCHANT_ID": "MER_1",
    "WAFFO_PRIVATE_KEY_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:waffo-AbCdEf",
}


def planned(**changes: Any) -> Deployment:
    asked: dict[str, Any] = {
        "stack": "meter",
        "mode": "test",
        "environ": GIVEN,
        "config": {},
        "built": BUILT,
        **changes,
    }
    return plan(**asked)


def test_it_is_one_command_without_a_question() -> None:
    command = planned().command()
    assert "--no-confirm-changeset" in command
    assert "--guided" not in command
    assert command[command.index("--stack-name") + 1] == "meter"
    overrides = command[command.index("--parameter-overrides") + 1 :]
    assert 'WaffoEnvironment="test"' in overrides
    assert {'Runtime="python3.13"', 'Architecture="arm64"'} <= set(overrides)


def test_a_prod_stack_deploys_gradually_unless_told_otherwise() -> None:
    assert planned().parameters["GradualDeployment"] == "false"
    assert planned(mode="prod").parameters["GradualDeployment"] == "true"
    assert planned(mode="prod", config={"GradualDeployment": "false"}).parameters["GradualDeployment"] == "false"
    assert planned(mode="prod", environ={**GIVEN, "GRADUAL": "false"}).parameters["GradualDeployment"] == "false"


def test_the_environment_wins_over_samconfig() -> None:
    assert planned(config={"WaffoStoreId": "STO_2"}).parameters["WaffoStoreId"] == "STO_1"
    assert planned(config={"LogRetentionDays": "7"}).parameters["LogRetentionDays"] == "7"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stack": ""}, "name the stack"),
        ({"stack": "my stack"}, "a stack's name is"),
        ({"stack": "1st"}, "a stack's name is"),
        ({"mode": "production"}, "say the mode"),
        ({"environ": {}}, "missing: WAFFO_MERCHANT_ID, WAFFO_PRIVATE_KEY_SECRET_ARN, WAFFO_STORE_ID"),
        ({"config": {"Architecture": "x86_64"}}, "make build ARCHITECTURE=x86_64"),
        ({"config": {"Runtime": "python3.12"}}, "make build RUNTIME=python3.12"),
        ({"config": {"VpcSubnetIds": "subnet-1"}}, "VpcSubnetIds needs VpcSecurityGroupIds"),
        ({"config": {"WaffoStore": "x"}}, "no parameter WaffoStore"),
        ({"config": {"WaffoEnvironment": "prod"}}, "WaffoEnvironment=prod for MODE=test"),
        ({"mode": "prod", "config": {"WaffoApiUrl": "http://waffo.example"}}, "WaffoApiUrl must be https"),
        ({"mode": "prod", "config": {"WaffoApiUrl": "HTTP://waffo.example"}}, "WaffoApiUrl must be https"),
        ({"mode": "prod", "environ": {**GIVEN, "PUBLIC_BASE_URL": "http://meter"}}, "PublicBaseUrl must be https"),
    ],
)
def test_what_must_not_be_deployed_is_refused_with_what_helps(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DeployError) as refused:
        planned(**changes)
    assert says in str(refused.value)


@pytest.mark.parametrize("written", ['["A=1", "B=two words"]', '"A=1 B=\\"two words\\""'])
def test_samconfig_has_a_section_for_each_mode(written: str, tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(f"version = 0.1\n[prod.deploy.parameters]\nparameter_overrides = {written}\n", encoding="utf-8")
    assert configured("prod", path) == {"A": "1", "B": "two words"}
    assert configured("test", path) == {}
    assert configured("test") == configured("prod") == {}


def test_afterwards_it_says_what_to_do_next() -> None:
    outputs = {"TableName": "meter-Table-1", "WebhookUrl": "https://hook.example/", "ApiUrl": "https://api.example"}
    said = next_steps(planned(), outputs)
    assert "create --stack meter --name backend --roles meter,sell" in said
    assert "https://hook.example/" in said
    assert "https://api.example/v1/customers/ada/quota" in said


def test_every_change_of_a_parameter_publishes_new_versions(tmp_path: Path) -> None:
    # Given the template as it is built
    built = tmp_path / "template.yaml"
    versions = []
    for config in ({}, {}, {"LogLevel": "DEBUG"}, {"ExistingTableName": "meter-restored"}):
        built.write_text((ROOT / "template.yaml").read_text())
        # When it is deployed with these parameters
        mark(planned(config=config), built)
        # Then SAM sees another function, and publishes it
        versions.append(published(load_template(built)))
    assert versions[0] == versions[1]
    assert all(len({of_one[number] for of_one in versions}) == 3 for number in range(len(versions[0])))


def test_every_change_of_a_layer_publishes_new_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given what was built, and the catalog, which is deployed as it is
    root, built = tmp_path / "root", tmp_path / "built"
    files = [
        *(built / layer / "python" / "code.py" for layer in ("SharedLayer", "PagesLayer")),
        root / "layers" / "catalog" / "catalog.toml",
    ]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("as it was")
    monkeypatch.setattr("tools.build.ROOT", root)
    digests, versions = [layers_digest(built), layers_digest(built)], []
    for changed in files:
        changed.write_text("changed")
        digests.append(layers_digest(built))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 1 + len(files)
    for digest in digests[1:3]:
        (built / "template.yaml").write_text((ROOT / "template.yaml").read_text())
        # When it is built once more
        write_mark(built / "template.yaml", LAYERS, digest)
        # Then SAM sees other functions, and publishes each: an alias would keep the old layer
        versions.append(published(load_template(built / "template.yaml")))
    assert versions[0]
    assert not set(versions[0]) & set(versions[1])


def test_a_template_without_a_place_for_the_digest_is_not_deployed(tmp_path: Path) -> None:
    built = tmp_path / "template.yaml"
    built.write_text("Globals: {}\n")
    with pytest.raises(DeployError, match="make build"):
        mark(planned(), built)
