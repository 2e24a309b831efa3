"""The network on its device: built from a checkpoint, as large as the device's memory allows."""
