"""Pages for customers: purchase links, and what pages load."""

import asset_routes
import buy_routes
from pancake_pages.deps.customer_pages import customer_pages_deps
from pancake_pages.handler import page_handler

handler = page_handler(customer_pages_deps(), asset_routes.router, buy_routes.router)
