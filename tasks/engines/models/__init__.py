"""Checkpoints of ACE-Step on people's disks: found, told apart, fetched, checked. torch is not imported."""

from tasks.engines.models.layouts import Checkpoint, ModelMissing, Weights, find
from tasks.engines.models.variant import Variant, recognise

__all__ = ["Checkpoint", "ModelMissing", "Variant", "Weights", "find", "recognise"]
