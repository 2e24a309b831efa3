"""From latents to sound."""
