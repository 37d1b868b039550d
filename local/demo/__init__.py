"""A demo month: 30 made-up customers live through a month on the local stack, so that pages and reports show something.

`python -m local.demo` (or `make demo`) does it. It is a program outside of the stack: it knows the public HTTP API and the
simulator's controls, and nothing else. All that it does is the same each time, under the same ids.
"""
