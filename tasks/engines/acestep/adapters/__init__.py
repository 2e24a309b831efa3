"""Adapters (LoRA) that songs ask for."""
