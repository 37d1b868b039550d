"""The site of this stack."""

from functools import cache

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.config import browser_origins, catalog_path, is_local_stack
from pancake_pages.site import Site


@cache
def stack_site() -> Site:
    """Return the site, made once. Pages of the origins that may call from a browser may frame the portal too."""
    return Site(load_catalog(catalog_path()).brand, browser_origins(), is_local_stack())
