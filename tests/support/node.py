"""Node programs as referees: JSON in, JSON out."""

import json
import subprocess
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parents[1] / "contract" / "node"
SECONDS_MAX = 30


def run_node(program: str | Path, stdin: object, seconds_max: float = SECONDS_MAX) -> Any:
    """Run a program (a bare name is one of ``tests/contract/node``) with ``stdin`` as JSON, and read its output as JSON."""
    ended = subprocess.run(
        ["node", str(PROGRAMS / program)],
        input=json.dumps(stdin),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds_max,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)
