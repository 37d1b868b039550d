"""The SAM CLI reads a template in C as it reads it in Python."""

import subprocess
import sys

from local import ROOT

READ_BOTH = """
import json, sys, yaml
from tools.sam import read_in_c
text = open(sys.argv[1]).read()
if sys.argv[2] == "c":
    read_in_c()
from samcli.yamlhelper import yaml_parse
print(yaml.SafeLoader.__name__, json.dumps(yaml_parse(text)))
"""


def test_the_sam_cli_reads_the_template_in_c_as_in_python() -> None:
    def read(how: str) -> list[str]:
        command = [sys.executable, "-c", READ_BOTH, str(ROOT / "template.yaml"), how]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.split(" ", 1)

    (slow, in_python), (fast, in_c) = read("python"), read("c")
    assert (slow, fast) == ("SafeLoader", "CSafeLoader")
    assert in_c == in_python
