"""Composition: what the functions of pages are made of."""
