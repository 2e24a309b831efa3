"""Chord progressions by school, family of the key and section. A bar may hold two chords, joined by `+`.

Every line starts on the tonic where a section may open the song, so that the key is heard from the first
bar; the composer adds the cadences at the ends of sections.
"""

from __future__ import annotations

Lines = tuple[str, ...]

PROGRESSIONS: dict[str, dict[str, dict[str, Lines]]] = {
    "pop": {
        "major": {
            "verse": ("I V vi IV", "I vi IV V", "I iii IV V", "I IV vi V"),
            "chorus": ("I V vi IV", "I IV vi V", "I V IV V", "I IV I V"),
            "bridge": ("vi IV I V", "IV V iii vi IV I ii V", "ii V I vi"),
        },
        "minor": {
            "verse": ("i VI iv V", "i VII VI V", "i iv VI V", "i VI VII i"),
            "chorus": ("i VI VII i", "i iv i V", "i VI iv V", "i VII VI V"),
            "bridge": ("VI VII i i VI iv V V", "iv i VI V"),
        },
    },
    "rock": {
        "major": {
            "verse": ("I IV I V", "I bVII IV I", "I I IV V"),
            "chorus": ("I V IV I", "I IV V IV", "I V vi IV"),
            "bridge": ("vi IV I V", "IV I IV V"),
        },
        "minor": {
            "verse": ("i VII VI VII", "i i VI VII", "i VII iv i"),
            "chorus": ("i VI VII i", "i iv VI V", "i VII VI V"),
            "bridge": ("VI VII i i", "iv VI VII V"),
        },
    },
    "metal": {
        "major": {
            "verse": ("I I IV I", "I bVII I V"),
            "chorus": ("I V IV I", "I IV I V"),
            "bridge": ("bVI bVII I I",),
        },
        "minor": {
            "verse": ("i i i bII", "i i VI VII", "i VI i V"),
            "chorus": ("i VI VII i", "i VI iv V", "i VII VI V"),
            "bridge": ("i bII i bII", "VI VI V V"),
        },
    },
    "blues": {
        "major": {
            "verse": (
                "I IV7 I I7 IV7 IV7 I I6 V7 IV7 I V7",
                "I I6 I I7 IV7 IV7 I V7/ii ii7 V7 I V7",
            ),
        },
        "minor": {"verse": ("i iv7 i i7 iv7 iv7 i i VI7 V7 i V7",)},
    },
    "jazz": {
        "major": {
            "verse": ("I vi ii V", "I V7/ii ii V", "I IV iii+V7/ii ii+V", "I+vi ii+V I+V7/ii ii+V"),
            "chorus": ("I V7/ii ii V I+V7/IV IV ii+V I", "I vi ii V", "I ii+V iii+V7/ii ii+V"),
            "bridge": ("IV V iii vi ii V7/V ii V", "V7/vi vi V7/V ii+V"),
        },
        "minor": {
            "verse": ("i iv iim7b5 V", "i VI iim7b5 V", "i i iv i iim7b5 V i V"),
            "chorus": ("i iim7b5+V i V", "i iv VI+V i", "i VI iim7b5 V"),
            "bridge": ("iv VII III VI iim7b5 V i V", "iv i VI V"),
        },
    },
    "bossa": {
        "major": {
            "verse": ("I V7/V ii V", "I vi ii V", "I I V7/V V7/V ii V I V"),
            "chorus": ("I ii+V I V7/ii ii V I V", "I IV ii V"),
            "bridge": ("IV iv I V7/ii ii V7/V ii V", "vi ii V I"),
        },
        "minor": {
            "verse": ("i i iim7b5 V", "i iv i V", "i VI iim7b5 V"),
            "chorus": ("i iv iim7b5 V", "i VII VI V"),
            "bridge": ("iv iv i i iim7b5 V i V",),
        },
    },
    "funk": {
        "major": {
            "verse": ("I6 I6 IV9 I6", "I I7 IV9 I6", "I6 IV9 I6 V7"),
            "chorus": ("I6 IV9 I6 V9", "I vi IV9 V7"),
            "bridge": ("IV9 IV9 I6 V9",),
        },
        "minor": {
            "verse": ("i i iv7 i", "i i7 iv7 V7", "i iv7 i V7"),
            "chorus": ("i iv7 V7 i", "i VI iv7 V7"),
            "bridge": ("iv7 iv7 i V7",),
        },
    },
    "dance": {
        "major": {
            "verse": ("I vi IV V", "I V vi IV", "I IV vi V"),
            "chorus": ("I V vi IV", "I iii vi V", "I IV I V"),
            "bridge": ("IV V vi I", "vi IV I V"),
        },
        "minor": {
            "verse": ("i VI iv VII", "i iv VI V", "i VII i VI"),
            "chorus": ("i VI iv V", "i VI VII i", "i VII VI V"),
            "bridge": ("VI VII i i", "iv VI i V"),
        },
    },
    "lofi": {
        "major": {
            "verse": ("I vi ii V", "I iii IV V", "I IV iii+vi ii+V"),
            "chorus": ("I V7/ii ii V", "I IV ii V"),
            "bridge": ("IV iii ii V", "vi ii V I"),
        },
        "minor": {
            "verse": ("i iv VI V", "i VI iim7b5 V", "i iv i V"),
            "chorus": ("i VI iv V", "i iv iim7b5 V"),
            "bridge": ("VI V i i", "iv i iim7b5 V"),
        },
    },
    "folk": {
        "major": {
            "verse": ("I IV I V", "I V I IV I IV V I", "I I IV V", "I vi IV V"),
            "chorus": ("I IV V I", "I V IV I", "I V vi IV I IV V I"),
            "bridge": ("vi IV I V", "IV I IV V", "ii V I IV"),
        },
        "minor": {
            "verse": ("i VII i V", "i i iv V", "i iv i V"),
            "chorus": ("i VII VI V", "i iv V i"),
            "bridge": ("iv i VI V", "VI VII i V"),
        },
    },
    "classical": {
        "major": {
            "verse": ("I V I IV I ii V I", "I IV V I", "I vi ii V", "I IV I V7 I vi ii+V I"),
            "chorus": ("I V vi iii IV I ii V", "I IV ii V", "I V7/IV IV V"),
            "bridge": ("vi V7/V V V7/vi vi ii V V7", "ii V I vi", "V I V7/V V"),
        },
        "minor": {
            "verse": ("i iv V i", "i VI iv V", "i V i iv i iim7b5 V i"),
            "chorus": ("i VI iv V", "i iv VII III VI iim7b5 V i", "i iv i V7"),
            "bridge": ("VI VII i i iv i V V7", "iv V7/III III V", "VI iv V V7"),
        },
    },
    "ambient": {
        "major": {
            "verse": ("I IV", "I vi", "I vi IV I"),
            "chorus": ("I IV I V", "I iii IV I"),
            "bridge": ("vi IV", "IV I"),
        },
        "minor": {
            "verse": ("i iv", "i VI iv i", "i i iv VI"),
            "chorus": ("i VI i V", "i iv VI i"),
            "bridge": ("VI iv", "iv i"),
        },
    },
    "pentatonic": {
        "major": {
            "verse": ("I vi I V", "I V vi I", "I I ii V", "I vi ii V"),
            "chorus": ("I ii V I", "I V I vi I ii V I", "I IV V I"),
            "bridge": ("vi ii vi V", "vi V ii V"),
        },
        "minor": {
            "verse": ("i iv i v", "i i iv v", "i v i iv"),
            "chorus": ("i iv v i", "i v iv i"),
            "bridge": ("VI iv i v", "iv i iv v"),
        },
    },
    "latin": {
        "major": {
            "verse": ("I IV V IV", "I ii V I", "I vi ii V"),
            "chorus": ("I IV I V", "I V7/ii ii V"),
            "bridge": ("IV I ii V", "vi ii V I"),
        },
        "minor": {
            "verse": ("i iv V i", "i VII VI V", "i iv i V"),
            "chorus": ("i V i V", "i iv V V", "i VI V i"),
            "bridge": ("iv i V i", "VI V i V"),
        },
    },
}


def progression_lines(school: str, family: str, section: str) -> Lines:
    """The progressions of a school for one section, or the nearest thing it has."""
    table = PROGRESSIONS[school][family]
    kind = {"prechorus": "bridge", "solo": "chorus", "intro": "verse", "outro": "verse"}.get(section, section)
    return table.get(kind) or table["verse"]
