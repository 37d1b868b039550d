"""template.yaml as CloudFormation sees it: after the SAM transform, by the translator that AWS runs."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from samcli.lib.translate import sam_template_validator as validating

from tools.cfn_template import load_template

GIVEN: Mapping[str, str] = {
    "WaffoEnvironment": "test",
    "WaffoStoreId": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
    "WaffoMerchantId": "MER_7hQ2mVb9KxT4cLr8WnZ3aE",
    "WaffoPrivateKeySecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:waffo-AbCdEf",
}


class _ManagedPolicies:
    """SAM asks for the ARNs of managed policies by name; the template names none."""

    def load(self) -> dict[str, str]:
        return {}


@cache
def translated(gradual_deployment: str = "false") -> Mapping[str, Any]:
    """Return the whole template after the transform, in which this parameter alone decides anything."""
    return _transformed(load_template(), {**GIVEN, "GradualDeployment": gradual_deployment})


def published(template: dict[str, Any]) -> list[str]:
    """Return the logical ids of the versions that a template publishes, in the order of its functions."""
    resources = _transformed(template, GIVEN)["Resources"]
    return [name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"]


def _transformed(template: dict[str, Any], given: Mapping[str, str]) -> Mapping[str, Any]:
    # It writes YAML, and does so twice, which takes most of its time: JSON says the same.
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}), patch.object(validating, "yaml_dump", json.dumps):
        validator = validating.SamTemplateValidator(
            template, _ManagedPolicies(), region="us-east-1", parameter_overrides=given
        )
        transformed: Mapping[str, Any] = json.loads(validator.get_translated_template_if_valid())
    return transformed


def resources_of(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the resources that CloudFormation makes under ``parameters``, their conditions decided."""
    template = translated(parameters.get("GradualDeployment", "false"))
    defaults = {name: each.get("Default", "") for name, each in template["Parameters"].items()}
    decider = _Decider(template["Conditions"], {**defaults, **GIVEN, **parameters})
    made: dict[str, Any] = decider.decided(template["Resources"])
    return made


_NOTHING: Any = object()


@dataclass(frozen=True)
class _Decider:
    """Decides conditions as CloudFormation does. What comes to `AWS::NoValue`, or to a false condition, is left out."""

    conditions: Mapping[str, Any]
    values: Mapping[str, str]

    def decided(self, value: Any) -> Any:
        match value:
            case {"Fn::If": [condition, then, otherwise]}:
                return self.decided(then if self._holds(condition) else otherwise)
            case {"Condition": str(name), "Type": str()} if not self._holds(name):
                return _NOTHING
            case {"Ref": "AWS::NoValue"}:
                return _NOTHING
            case dict():
                entries = {name: self.decided(each) for name, each in value.items()}
                return {name: each for name, each in entries.items() if each is not _NOTHING}
            case list():
                return [each for each in map(self.decided, value) if each is not _NOTHING]
        return value

    def _holds(self, condition: Any) -> bool:
        match condition:
            case str():
                return self._holds(self.conditions[condition])
            case {"Condition": str(name)}:
                return self._holds(name)
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::And": list(parts)}:
                return all(map(self._holds, parts))
            case {"Fn::Or": list(parts)}:
                return any(map(self._holds, parts))
            case {"Fn::Equals": [left, right]}:
                return str(self._operand(left)) == str(self._operand(right))
        raise ValueError(f"a condition of another kind: {condition}")

    def _operand(self, operand: Any) -> Any:
        match operand:
            case {"Ref": str(name)}:
                return self.values[name]
            case {"Fn::Join": [str(), {"Ref": str(name)}]}:
                return self.values[name].replace(",", "")
        return operand
