"""The SAM CLI in less time does what it does by itself: it reads, writes and copies the same."""

import subprocess
import sys

import pytest
from samcli.lib.utils import version_checker
from samtranslator.open_api import open_api
from samtranslator.utils.py27hash_fix import Py27Dict

from local import ROOT
from tests.support.translated import translated
from tools.sam import ask_for_no_newer_version, copy_fast

READ_AND_WRITTEN = """
import json, sys, yaml
from tools.sam import yaml_in_c
text = open(sys.argv[1]).read()
if sys.argv[2] == "c":
    yaml_in_c()
from samcli.yamlhelper import CfnDumper, yaml_dump, yaml_parse
read = yaml_parse(text)
written = yaml_dump(read)
in_c = [issubclass(yaml.SafeLoader, yaml.CSafeLoader), issubclass(CfnDumper, yaml.CSafeDumper)]
print(json.dumps({"in_c": in_c, "read": read, "read again": yaml_parse(written)}))
"""


def test_the_sam_cli_reads_and_writes_the_template_in_c_as_in_python() -> None:
    def run(how: str) -> tuple[str, str]:
        command = [sys.executable, "-c", READ_AND_WRITTEN, str(ROOT / "template.yaml"), how]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        in_c, _, rest = done.stdout.partition("], ")
        return in_c, rest

    (slow, in_python), (fast, in_c) = run("python"), run("c")
    assert (slow, fast) == ('{"in_c": [false, false', '{"in_c": [true, true')
    assert in_c == in_python


def test_the_template_is_the_same_after_the_transform_when_apis_are_copied_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = translated()
    monkeypatch.setattr(open_api, "_deepcopy", open_api._deepcopy)
    copy_fast()
    fast = translated.__wrapped__()
    assert fast["Resources"]["HttpApi"]["Properties"]["Body"]["paths"]
    assert fast == slow


def test_the_description_of_an_api_is_copied_with_all_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_api, "_deepcopy", open_api._deepcopy)
    copy_fast()
    given = Py27Dict({"openapi": "3.0.1", "paths": Py27Dict({f"/{n}": {"get": ["a", None, 1]} for n in range(9)})})
    del given["paths"]["/3"]
    copied = open_api.OpenApiEditor(given).openapi
    assert (copied, list(copied["paths"])) == (given, list(given["paths"]))
    copied["paths"]["/0"]["get"].append("b")
    copied["paths"]["/3"] = {}
    del copied["openapi"]
    assert given["paths"]["/0"] == {"get": ["a", None, 1]}
    assert ("/3" in given["paths"], "/3" in list(given["paths"]), set(given)) == (False, False, {"openapi", "paths"})


def test_nobody_is_asked_for_a_newer_version(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(version_checker, "get", lambda address, **_options: asked.append(address))
    monkeypatch.setattr(version_checker, "update_last_check_time", lambda: None)
    monkeypatch.setattr(version_checker, "fetch_and_compare_versions", version_checker.fetch_and_compare_versions)
    version_checker._inform_newer_version(force_check=True)
    assert asked == ["https://pypi.org/pypi/aws-sam-cli/json"]
    ask_for_no_newer_version()
    version_checker._inform_newer_version(force_check=True)
    assert len(asked) == 1
