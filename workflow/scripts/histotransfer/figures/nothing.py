"""What a figure raises when its table holds nothing that could be drawn."""


class NothingToDraw(Exception):
    """An empty or degenerate result; the message is what the figure says instead."""
