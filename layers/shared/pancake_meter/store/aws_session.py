"""boto3's session, of which every client comes. It knows the services of AWS by the names of their folders."""

import os
from typing import Final

import boto3
import botocore.session
from botocore.loaders import Loader, create_loader

_OF_EVERY_SERVICE: Final = ("service-2", "endpoint-rule-set-1")
"""What botocore describes of each service. It lists the services by both before it makes a client."""


def aws_session() -> boto3.Session:
    """Return boto3's default session. Where there is none yet, it is one that asks the disk little."""
    session = boto3.DEFAULT_SESSION
    if session is None:
        core = botocore.session.get_session()
        paths = create_loader(core.get_config_variable("data_path")).search_paths
        core.register_component("data_loader", _ServicesByFolder(paths, include_default_search_paths=False))
        session = boto3.DEFAULT_SESSION = boto3.Session(botocore_session=core)
    return session


class _ServicesByFolder(Loader):
    """botocore's loader of descriptions, which knows a service of botocore by its folder.

    botocore looks into the folder of each of 400 services, twice, before it makes the first client: 2,700 questions to the
    disk, a twentieth of a cold start. Services that others describe are listed as botocore lists them.
    """

    def list_available_services(self, type_name: str) -> list[str]:
        """Return the names of all services that have a description of this type."""
        if type_name not in _OF_EVERY_SERVICE:
            listed: list[str] = super().list_available_services(type_name)
            return listed
        elsewhere = [path for path in self.search_paths if path != self.BUILTIN_DATA_PATH]
        others = Loader(extra_search_paths=elsewhere, include_default_search_paths=False)
        with os.scandir(self.BUILTIN_DATA_PATH) as entries:
            known = {each.name for each in entries if each.is_dir()}
        return sorted(known.union(others.list_available_services(type_name)))
