"""The SAM CLI with the YAML reader in C: `python -m tools.sam build ...`.

It reads the template ten times over, which takes the reader in Python most of a build's and a deployment's time.
"""

import yaml


def read_in_c() -> None:
    """Have YAML read by libyaml, where PyYAML brings it. To be called before whoever reads it is imported."""
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # type: ignore[misc]


if __name__ == "__main__":
    read_in_c()
    from samcli.cli.main import cli

    cli(prog_name="sam")
