"""One customer's data: everything that is kept of a customer, to give out and to erase."""

import customer_data_routes
from pancake_meter.deps.customer_data import customer_data_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(customer_data_deps(), customer_data_routes.router)
