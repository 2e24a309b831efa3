"""What runs on the device: attention and layers over ragged packs, their tables, recorded graphs."""
