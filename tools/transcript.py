"""Writes docs/transcript.md: a day with a local stack, by the command. Every line of it has been run.

Usage: ``python -m tools.transcript 'ready {...}'``, with the last line of a ``make run`` that has just started. What differs
from run to run (ids, times, links, ports) is written the same in every run. A test runs it again and compares.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tools.cfn_template import ROOT

PAGE: Final = ROOT / "docs" / "transcript.md"
STEP_SECONDS_MAX: Final = 180.0
FOLDERS: Final = ("clients/cli/src", "clients/python/src", "layers/shared")


@dataclass(frozen=True, slots=True)
class Step:
    """A command. ``keep``: patterns with one group, by name. What they find in the output later commands name ``{name}``."""

    command: str
    keep: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """Steps under a heading, with a few words before them."""

    title: str
    text: str
    steps: tuple[Step, ...]


def _backend(route: str, **body: object) -> Step:
    """Return a request of the seller's backend, which no command of an operator's makes."""
    where = f"$API/v1/customers/ada/{route}"
    sent = json.dumps(body)
    return Step(f"""curl -s -H "Authorization: Bearer $KEY" {where} -d '{sent}' | python3 -m json.tool""")


HEAD: Final = """\
<!-- Made by `python -m tools.transcript`; do not edit it. -->

# A day with a stack

From a stack that has just started to the first refusal with a payment link, and on to an operator's work, by
[the command](cli.md); curl stands for your backend. A test runs all of it and compares. Ids, times and links are written
the same in every run.

`make run` ends with the line `ready {...}`. It is `$READY` below; `$API` and `$KEY` are its `api_url` and `api_key`. In a
clone, `pancake-meter` is `uvx --from ./clients/cli pancake-meter`.
"""

SECTIONS: Final = (
    Section(
        "Log in",
        "The ready line has all that the command needs. Waffo's webhook is registered already.",
        (Step('pancake-meter login --ready "$READY"'), Step("pancake-meter connect")),
    ),
    Section(
        "The first refusal",
        "Ada has bought nothing and has the units of the free plan. `check` asks for more, as your backend would. The\n"
        "refusal has the reason and two links: `purchase_url` sells units, `upgrade_url` a higher plan.",
        (
            Step("pancake-meter customers quota ada"),
            Step("pancake-meter check ada tokens 20000"),
            Step("pancake-meter plans --customer ada"),
        ),
    ),
    Section(
        "Trigger",
        "Ada subscribes in the Waffo simulator. The same request is granted, and settled with what was used. The\n"
        "subscription renews; each webhook arrives twice and counts once.",
        (
            Step(
                "pancake-meter trigger subscription.activated --customer ada --product Starter",
                {"delivery": r"subscription\.activated .* ([0-9a-f]{64})"},
            ),
            _backend("holds", meter="tokens", quantity=20_000, id="call-1"),
            _backend("holds/tokens~20000~call-1/settle", quantity=18_250),
            Step("pancake-meter usage ada tokens"),
            Step(
                "pancake-meter deliveries show {delivery} | grep -E '^(event|verdict|order_id)'",
                {"order": r"(ORD_\w+)"},
            ),
            Step("pancake-meter trigger subscription.renewed --order {order} --duplicate 1"),
            Step("pancake-meter customers quota ada"),
        ),
    ),
    Section(
        "Replay",
        "What is done is not done twice. A payment of which nobody knows whose it is waits as a parked delivery. Say whose\n"
        "it is, then what it bought.",
        (
            Step("pancake-meter deliveries replay {delivery}"),
            Step("pancake-meter trigger order.completed --set data.merchantProvidedBuyerIdentity=null"),
            Step("pancake-meter deliveries list --verdict parked", {"parked": r"([0-9a-f]{64})"}),
            Step("pancake-meter deliveries replay {parked}"),
            Step("pancake-meter deliveries assign {parked} ada"),
            Step("pancake-meter payments list --status flagged", {"payment": r"(PAY_\w+)"}),
            Step(
                "pancake-meter payments resolve {payment} --as units --meter tokens --quantity 50000 --id case-1"
                " --reason 'bought by e-mail'"
            ),
            Step("pancake-meter deliveries list --verdict parked"),
        ),
    ),
    Section(
        "Reconcile",
        "Asks Waffo for what no webhook reported. Nothing was lost here.",
        (Step("pancake-meter reconcile | head -6"),),
    ),
    Section(
        "Grant",
        "Units that you give, once for each id. What is left of them can be taken back.",
        (
            Step("pancake-meter grants add ada tokens 5000 --id sorry-1 --reason 'an outage'"),
            Step("pancake-meter grants list ada"),
            Step("pancake-meter grants void ada sorry-1"),
        ),
    ),
    Section(
        "Block",
        "Refusals repeat the reason.",
        (
            Step("pancake-meter block ada --reason 'card reported as stolen'"),
            _backend("holds", meter="tokens", quantity=1, id="call-2"),
            Step("pancake-meter unblock ada"),
        ),
    ),
    Section(
        "Alerts",
        "What rang since. Your mailer gets the same with links in it, at an endpoint of yours.",
        (
            Step("pancake-meter alerts list --customer ada"),
            Step(
                "pancake-meter alerts endpoints add http://127.0.0.1:9/alerts --event quota.threshold_reached",
                {"endpoint_id": r"(aep_[0-9a-f]+)"},
            ),
            Step("pancake-meter alerts endpoints list"),
            Step("pancake-meter alerts endpoints remove {endpoint_id} --yes"),
        ),
    ),
    Section(
        "Keys",
        "The key of your backend may only meter. It is printed once.",
        (
            Step("pancake-meter keys create backend --role meter", {"key_id": r"key_id +([0-9a-f]{64})"}),
            Step("pancake-meter keys list"),
            Step("pancake-meter keys revoke {key_id} --yes"),
        ),
    ),
    Section(
        "What happened",
        "Every movement of Ada's tokens, with its cause and the key that caused it.",
        (Step("pancake-meter ledger ada tokens"), Step("pancake-meter payments list")),
    ),
    Section(
        "Doctor",
        "What is well, and which steps are left before the launch. The exit status is 1 where there is a fault.",
        (Step("pancake-meter doctor"),),
    ),
)


class Shell:
    """Runs commands as a person would who has logged in to one stack, with settings of its own."""

    def __init__(self, ready: Mapping[str, Any], folder: Path) -> None:
        """``folder`` takes the command's settings and the command itself."""
        program = folder / "pancake-meter"
        code = "from pancake_meter_cli.main import main; main()"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
        program.chmod(0o700)
        self._environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "PYTHONPATH": os.pathsep.join(str(ROOT / each) for each in FOLDERS),
            "READY": f"ready {json.dumps(ready)}",
            "API": ready["api_url"],
            "KEY": ready["api_key"],
        }

    def run(self, command: str) -> str:
        """Return what the command printed, both streams, and its exit status where that is not 0."""
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            env=self._environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS_MAX,
            check=False,
        )
        status = f"(exit status {done.returncode})\n" if done.returncode else ""
        return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines()) + status


class Mask:
    """Writes what differs from run to run as if it did not; one id stays one id."""

    def __init__(self, ready: Mapping[str, Any], folder: Path) -> None:
        """``ready`` and ``folder`` have names of this machine."""
        self._names = {
            ready["waffo_private_key_file"]: ".local/data/waffo-merchant-key.pem",
            str(folder): "~",
            f"{ROOT}/": "",
            ready["api_url"]: "http://127.0.0.1:8000",
            ready["waffo_url"]: "http://127.0.0.1:8001",
            ready["aws_endpoint_url"]: "http://127.0.0.1:8002",
        }
        self._ids: dict[str, str] = {}
        self._rules: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lambda _: "2026-03-10T15:00:00.000Z"),
            (r"\b20\d\d-\d\d-\d\d\b", lambda _: "2026-03-10"),
            (r"pm_test_[0-9A-Za-z]+", lambda _: "pm_test_..."),
            (r"whsec_[0-9A-Za-z+/=]+", lambda _: "whsec_..."),
            (r"(?:alrt|aep)_[0-9a-f]+", lambda found: self._of_kind(found[0])),
            (r"/buy/[\w-]+", lambda _: "/buy/gAAAAAB..."),
            (r"(?<=version )[0-9a-f]{12}", lambda _: "0123456789ab"),
            (r"\b[0-9a-f]{64}\b", lambda found: self._numbered(found[0], "{:04x}", 64)),
            (
                r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
                lambda _: f"{'0' * 8}-0000-4000-8000-{'0' * 12}",
            ),
            (r"\b(?:ORD|PAY)_[0-9A-Za-z]{22}\b", lambda found: found[0][:4] + self._numbered(found[0], "{:02d}", 22)),
        )

    def __call__(self, text: str) -> str:
        """Return the text as it is written in every run."""
        for name, stands_for in self._names.items():
            text = text.replace(name, stands_for)
        for pattern, written in self._rules:
            text = re.sub(pattern, written, text)
        return text

    def _of_kind(self, found: str) -> str:
        kind, _, digits = found.partition("_")
        return f"{kind}_{self._numbered(digits, '{:04x}', len(digits))}"

    def _numbered(self, found: str, number: str, length: int) -> str:
        """Return the same id for the same id, of the same length: tables keep their columns."""
        made = number.format(len(self._ids) + 1)
        return self._ids.setdefault(found, made + "0" * (length - len(made)))


def transcript(ready: Mapping[str, Any]) -> str:
    """Run every step against a stack that has just started; return the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shell, mask, kept = Shell(ready, folder), Mask(ready, folder), dict[str, str]()
        page = [HEAD]
        for section in SECTIONS:
            page.append(f"\n## {section.title}\n\n{section.text}\n")
            for step in section.steps:
                command = step.command
                for each, value in kept.items():
                    command = command.replace(f"{{{each}}}", value)
                said = shell.run(command)
                for each, pattern in step.keep.items():
                    found = re.search(pattern, said)
                    if found is None:
                        raise ValueError(f"no {each} in what {command!r} printed:\n{said}")
                    kept[each] = found[1]
                page.append(mask(f"\n```console\n$ {command}\n{said}```\n"))
        return "".join(page)


def main(arguments: list[str]) -> int:
    """Write the page."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    PAGE.write_text(transcript(json.loads(arguments[0].removeprefix("ready"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
