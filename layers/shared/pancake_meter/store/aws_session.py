"""boto3's session, of which every client comes. It knows the services of AWS by the names of their folders."""

from pathlib import Path

import boto3
import botocore.session
from botocore.loaders import Loader


def aws_session() -> boto3.Session:
    """Return boto3's default session. Where there is none yet, it is one that asks the disk little."""
    session = boto3.DEFAULT_SESSION
    if session is None:
        core = botocore.session.get_session()
        core.register_component("data_loader", _ServicesByName())
        session = boto3.DEFAULT_SESSION = boto3.Session(botocore_session=core)
    return session


class _ServicesByName(Loader):
    """botocore's loader of descriptions, which knows a service by its folder.

    botocore looks into the folder of each of 400 services, twice, before it makes the first client: 2,700 questions to the
    disk, a twentieth of a cold start.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore names it
        """Return the names of all services, also of those that lack a description of this type."""
        folders = [Path(path) for path in self.search_paths]
        return sorted({each.name for folder in folders if folder.is_dir() for each in folder.iterdir()})
