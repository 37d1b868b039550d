"""Reads template.yaml: YAML with CloudFormation's short tags.

Source: AWS CloudFormation user guide, "Intrinsic function reference" (short forms `!Ref`, `!Sub`, `!GetAtt` ...).
"""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE_PATH = ROOT / "template.yaml"


class _TemplateLoader(yaml.CSafeLoader):
    """A safe loader that turns `!Tag value` into `{"Fn::Tag": value}`, the form CloudFormation itself uses."""


def _construct_tag(loader: _TemplateLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(f"unknown YAML node for !{suffix}")
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    return {name: value}


_TemplateLoader.add_multi_constructor("!", _construct_tag)


def load_template(path: Path = TEMPLATE_PATH) -> dict[str, Any]:
    """Return the template as plain dictionaries, short tags written out (`{"Ref": ...}`, `{"Fn::Sub": ...}`).

    Raises `OSError` when the file cannot be read and `yaml.YAMLError` when it is not YAML.
    """
    return deepcopy(_parsed(path, path.stat().st_mtime_ns))


@cache
def _parsed(path: Path, _modified_ns: int) -> dict[str, Any]:
    with path.open(encoding="utf-8") as stream:
        template: dict[str, Any] = yaml.load(stream, Loader=_TemplateLoader)  # noqa: S506 - a SafeLoader
    return template
