"""From noise to latents: the network over a pack of songs, each at its own time."""
