"""Theory, tempo, chance, and the score: what planning, parts and sound all speak of."""
