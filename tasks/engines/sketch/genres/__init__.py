"""The genres a listener can ask for, by name."""

from tasks.engines.sketch.genres.acoustic import ACOUSTIC
from tasks.engines.sketch.genres.electronic import ELECTRONIC
from tasks.engines.sketch.genres.genre import Genre, Melody, Player, Role
from tasks.engines.sketch.genres.popular import POPULAR

GENRES: dict[str, Genre] = {genre.name: genre for genre in (*POPULAR, *ELECTRONIC, *ACOUSTIC)}

__all__ = ["GENRES", "Genre", "Melody", "Player", "Role"]
