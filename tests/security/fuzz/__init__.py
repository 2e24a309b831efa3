"""Fuzzing of the parsers at the borders: strangers' text in, a value or a refusal out, and nothing else."""

from tests.security.fuzz import files, inside, requests
from tests.security.fuzz.target import Target

__all__ = ["TARGETS", "Target"]

TARGETS = (*requests.TARGETS, *files.TARGETS, *inside.TARGETS)
