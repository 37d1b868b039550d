"""The SAM CLI in less time: `python -m tools.sam build ...`.

It reads the template ten times over, which takes the YAML reader in Python most of a build's time. What it uploads it packs
as small as it can, which is of no use to a stack on the same machine.
"""

import gc
import zlib

import yaml


def read_in_c() -> None:
    """Have YAML read by libyaml, where PyYAML brings it. To be called before whoever reads it is imported."""
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # type: ignore[misc]


def pack_fast() -> None:
    """Have zip files packed fast rather than small, where whoever packs says nothing about it."""
    zlib.Z_DEFAULT_COMPRESSION = zlib.Z_BEST_SPEED  # type: ignore[misc]


if __name__ == "__main__":
    # It lives for seconds, and makes much that it keeps: the search for garbage would be a sixth of its time.
    gc.disable()
    read_in_c()
    pack_fast()
    from samcli.cli.main import cli

    cli(prog_name="sam")
