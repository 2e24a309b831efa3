"""Tutti's parts on one machine: which they are, how each is started, and who starts it again."""
