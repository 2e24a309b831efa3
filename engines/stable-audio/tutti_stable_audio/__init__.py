"""Stable Audio Open as an engine of Tutti: `model` says what it can be asked, `engine` makes it."""
