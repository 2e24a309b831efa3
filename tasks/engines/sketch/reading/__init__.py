"""Reading what a person asks for, in English and Chinese."""

from tasks.engines.sketch.reading.prompt import Wish, read

__all__ = ["Wish", "read"]
