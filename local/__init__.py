"""The local stack: template.yaml itself, deployed by the SAM CLI into MiniStack, on 127.0.0.1. Never deployed.

`python -m local` (or `make run`) starts it. What runs here is what runs in AWS; the modules of this package only start,
deploy, mend gaps of the emulator, seed, and say where things are. `local/demo/` gives it a month of data.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"

# The layer is not an installed package; in Lambda it is on the path under /opt/python.
if str(ROOT / "layers" / "shared") not in sys.path:
    sys.path.append(str(ROOT / "layers" / "shared"))
