"""The SAM CLI in less time: `python -m tools.sam build ...`.

It reads the template ten times over, and writes it twice: in Python that is most of a build's time. For each route it copies
the whole description of the API.
"""

import copy
import gc
from typing import Any

import yaml


def yaml_in_c() -> None:
    """Have YAML read and written by libyaml, where PyYAML brings it. To be called before its users are imported."""
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # type: ignore[misc]
    yaml.SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # type: ignore[misc]


def copy_fast() -> None:
    """Have SAM copy the description of an API as the tree that it is: `copy.deepcopy` keeps a record of each part.

    The order of its keys is kept. SAM would make it anew by the rules of Python 2, for hashes that only REST APIs have.
    """
    # Here and not above: its import takes most of a second, and MiniStack has it later.
    from samtranslator.open_api import open_api  # noqa: PLC0415
    from samtranslator.utils.py27hash_fix import Py27Dict, Py27Keys  # noqa: PLC0415

    def copied(part: Any) -> Any:
        kind = type(part)
        if isinstance(part, str):
            return part
        if kind is dict:
            return {name: copied(value) for name, value in part.items()}
        if kind is list:
            return [copied(value) for value in part]
        if kind is not Py27Dict:
            return copy.deepcopy(part)
        keys = Py27Keys()
        vars(keys).update(vars(part.keylist), keyorder=dict(part.keylist.keyorder))
        made = Py27Dict()
        made.keylist = keys
        for name, value in dict.items(part):
            dict.__setitem__(made, name, copied(value))
        return made

    open_api._deepcopy = copied  # noqa: SLF001 - a name of its own, so that the copies can be measured


def ask_for_no_newer_version() -> None:
    """Have SAM not ask pypi.org each week whether it is the newest, for up to 5 seconds: the lock says which one runs."""
    from samcli.lib.utils import version_checker  # noqa: PLC0415

    version_checker.fetch_and_compare_versions = lambda: None


if __name__ == "__main__":
    # It lives for seconds, and makes much that it keeps: the search for garbage would be a sixth of its time.
    gc.disable()
    yaml_in_c()
    copy_fast()
    ask_for_no_newer_version()
    from samcli.cli.main import cli

    cli(prog_name="sam")
