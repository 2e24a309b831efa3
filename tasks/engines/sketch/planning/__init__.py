"""From what was read to a plan: who plays, the form, the harmony, the title."""
