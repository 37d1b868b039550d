"""The catalog beside the store at Waffo, as it is now."""

from collections.abc import Sequence

from pancake_meter.catalog.comparing import Difference, Store, differences
from pancake_meter.usecases.selling.open_checkout import Selling


def compare_catalog(selling: Selling) -> Sequence[Difference]:
    """Return in what the store's products are not as the catalog says, for the stack's environment: two calls of Waffo.

    Raises:
        WaffoApiError: Waffo does not say.
    """
    store = Store.of(*selling.waffo.products(selling.store_id))
    return list(differences(selling.catalog, store, selling.environment))
