"""The seller's console."""

from pancake_pages.deps.operator_console import operator_console_deps
from pancake_pages.handler import page_handler

handler = page_handler(operator_console_deps())
