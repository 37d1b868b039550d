"""Writes byte code beside the sources of a build: ``python3.13 tools/byte_code.py '{"FOLDER": "MOUNT", ...}'``.

The runtime's own Python runs this, since byte code is of one version; so it imports nothing of ours. MOUNT is where Lambda
has the folder: tracebacks name it. Byte code is taken as it is, whatever the time of its source. A folder that has a file
which cannot be compiled is printed, and the exit status is 1.
"""

import compileall
import json
import py_compile
import sys
from pathlib import Path


def main() -> int:
    """Write the byte code of each folder."""
    failed = [folder for folder, mount in json.loads(sys.argv[1]).items() if not _compile(folder, mount)]
    print("\n".join(failed))
    return 1 if failed else 0


def _compile(folder: str, mount: str) -> bool:
    # A layer has thousands of files; for the few of a function, processes beside this one cost more than they save.
    workers = 0 if Path(folder, "python").is_dir() else 1
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    written = compileall.compile_dir(
        folder, quiet=1, workers=workers, invalidation_mode=unchecked, stripdir=folder, prependdir=mount
    )
    return bool(written)


if __name__ == "__main__":
    sys.exit(main())
