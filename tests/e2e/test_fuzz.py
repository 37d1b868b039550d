"""A small part of `make fuzz`: requests made from docs/openapi.json get the answers that it describes."""

import json
import os
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT, Stack

WITHOUT = ",".join(
    (
        *("record_litellm_calls", "record_cloud_events", "record_bulk_usage"),
        *("erase_customer", "rotate_key", "revoke_key", "heal_usage"),
    )
)
"""Operations that keep what they cannot read, and those that end or move what other tests of this stack go by."""


@pytest.mark.timeout(300)
def test_requests_made_from_the_document_get_the_answers_that_it_describes(stack: Stack) -> None:
    options = ["--examples", "2", "--seconds", "25", "--phases", "examples,fuzzing", "--without", WITHOUT]
    run = subprocess.run(
        [sys.executable, "-m", "tools.fuzz", "--api", json.dumps(stack.ready), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'layers' / 'shared'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
