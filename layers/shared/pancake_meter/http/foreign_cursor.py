"""The refusal of a cursor."""


class ForeignCursor(Exception):
    """The text is no cursor of this list."""
