"""The parts of one checkpoint, from disk to a device."""
