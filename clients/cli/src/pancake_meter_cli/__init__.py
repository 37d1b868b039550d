"""``pancake-meter``: the command with which a seller runs a day with a stack."""

from pancake_meter_cli.version import __version__

__all__ = ["__version__"]
