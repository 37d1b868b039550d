"""Which stack a command speaks to: profiles in a file that only its owner can read, and the environment before them."""

import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import typer

from pancake_meter_cli.failures import usage

DEFAULT_NAME: Final = "default"
WAFFO_API_URL: Final = "https://api.waffo.ai"
_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "api_url": ("PANCAKE_METER_API_URL", "PANCAKE_METER_URL"),
    "api_key": ("PANCAKE_METER_API_KEY",),
    "webhook_url": ("PANCAKE_METER_WEBHOOK_URL",),
    "waffo_url": ("WAFFO_API_URL",),
    "waffo_environment": ("WAFFO_ENVIRONMENT",),
    "waffo_store_id": ("WAFFO_STORE_ID",),
    "waffo_merchant_id": ("WAFFO_MERCHANT_ID",),
    "aws_endpoint_url": ("AWS_ENDPOINT_URL",),
    "catalog_path": ("CATALOG_PATH",),
}
_LOGIN: Final = (
    "log in first: pancake-meter login --api-url URL, or set PANCAKE_METER_API_URL and PANCAKE_METER_API_KEY"
)


@dataclass(frozen=True, slots=True)
class Profile:
    """A stack, the key to it, and what else was said of it. The private key of Waffo is never kept, only where it is."""

    name: str
    api_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    webhook_url: str | None = None
    waffo_url: str | None = None
    waffo_environment: str | None = None
    waffo_store_id: str | None = None
    waffo_merchant_id: str | None = None
    waffo_private_key_file: str | None = None
    aws_endpoint_url: str | None = None
    stack_name: str | None = None
    region: str | None = None
    catalog_path: str | None = None

    @classmethod
    def of_ready_line(cls, name: str, line: str) -> Self:
        """Read the line with which the local stack says that it is ready. Raises ``Failure``."""
        text = line.strip().removeprefix("ready").strip()
        try:
            ready = json.loads(text)
            named = {each.name: ready.get(each.name) for each in fields(cls) if each.name != "name"}
        except (ValueError, AttributeError):
            raise usage("this is no ready line: it begins with `ready {` and ends with `}`") from None
        if not named["api_url"] or not named["api_key"]:
            raise usage("the ready line has no api_url or no api_key")
        return cls(name, **named)

    @property
    def is_local(self) -> bool:
        """Whether the stack runs on this machine."""
        return is_loopback(self.api_url)

    @property
    def has_simulator(self) -> bool:
        """Whether Waffo is the simulator, on this machine."""
        return is_loopback(self.waffo_url)

    def shown(self) -> dict[str, Any]:
        """Return it without the key."""
        known = {name: value for name, value in asdict(self).items() if value is not None and name != "api_key"}
        return {**known, "has_api_key": self.api_key is not None}


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """The file with all profiles; ``current`` is the one that is used where none is named."""

    path: Path

    @classmethod
    def at_home(cls) -> Self:
        """Return the file in the user's folder for settings."""
        return cls(Path(typer.get_app_dir("pancake-meter")) / "profiles.json")

    def read(self) -> tuple[str, dict[str, Profile]]:
        """Return the current profile's name, and all by name. Raises ``Failure`` when the file cannot be read."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            known = {each.name for each in fields(Profile)}
            profiles = {
                name: Profile(**{**{key: value for key, value in of.items() if key in known}, "name": name})
                for name, of in kept["profiles"].items()
            }
            return str(kept["current"]), profiles
        except FileNotFoundError:
            return DEFAULT_NAME, {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise usage(
                f"{self.path} cannot be read ({type(error).__name__})", "remove the file and log in again"
            ) from None

    def write(self, current: str, profiles: Mapping[str, Profile]) -> None:
        """Write all, in one step, for the owner's eyes only."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {name: {key: value for key, value in asdict(of).items() if value} for name, of in profiles.items()}
        temporary = self.path.with_suffix(f".{os.getpid()}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            json.dump({"current": current, "profiles": kept}, output, indent=2)
        temporary.replace(self.path)


def profile_in_use(named: str | None, file: ProfileFile, environ: Mapping[str, str]) -> Profile:
    """Return the profile that ``named`` or PANCAKE_METER_PROFILE names, else the current one with the environment on top.

    A key goes to its own stack only: an address from the environment needs a key from there too. Raises ``Failure``.
    """
    current, profiles = file.read()
    name = named or environ.get("PANCAKE_METER_PROFILE") or current
    if name not in profiles and name != DEFAULT_NAME:
        raise usage(f"there is no profile {name!r}", "pancake-meter profiles lists them; pancake-meter login makes one")
    profile = profiles.get(name, Profile(name))
    if named is not None:
        return profile
    stated = {
        key: next((environ[each] for each in names if environ.get(each)), None) for key, names in _VARIABLES.items()
    }
    if stated["api_url"] and stated["api_url"] != profile.api_url:
        # Another stack: nothing that was kept of the profile's belongs to it.
        profile = Profile(name)
    return replace(profile, **{key: value for key, value in stated.items() if value})


def require(profile: Profile, name: str) -> str:
    """Return a field that the command cannot do without. Raises ``Failure``."""
    value = getattr(profile, name)
    if not value:
        raise usage(f"the profile {profile.name!r} has no {name}", _LOGIN if name.startswith("api_") else _helps(name))
    return str(value)


def is_loopback(url: str | None) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url or "").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _helps(name: str) -> str:
    variable = next(iter(_VARIABLES.get(name, ())), None)
    option = f"pancake-meter login --{name.replace('_', '-')} ..."
    return f"{option}, or set {variable}" if variable else option
