"""General MIDI's names of the programs the sketch engine may use, for tracks people see."""

# ruff: noqa: E501 - a table reads best with one row a line

from __future__ import annotations

GENERAL_MIDI = (
    "Piano", "Bright piano", "Electric grand", "Honky-tonk piano", "Electric piano", "FM piano", "Harpsichord", "Clavinet",
    "Celesta", "Glockenspiel", "Music box", "Vibraphone", "Marimba", "Xylophone", "Tubular bells", "Dulcimer",
    "Drawbar organ", "Percussive organ", "Rock organ", "Church organ", "Reed organ", "Accordion", "Harmonica", "Bandoneon",
    "Nylon guitar", "Steel guitar", "Jazz guitar", "Clean guitar", "Muted guitar", "Overdriven guitar", "Distorted guitar",
    "Guitar harmonics",
    "Double bass", "Fingered bass", "Picked bass", "Fretless bass", "Slap bass", "Slap bass 2", "Synth bass", "Synth bass 2",
    "Violin", "Viola", "Cello", "Contrabass", "Tremolo strings", "Pizzicato", "Harp", "Timpani",
    "Strings", "Slow strings", "Synth strings", "Synth strings 2", "Choir", "Voice oohs", "Synth voice", "Orchestra hit",
    "Trumpet", "Trombone", "Tuba", "Muted trumpet", "French horn", "Brass", "Synth brass", "Synth brass 2",
    "Soprano sax", "Alto sax", "Tenor sax", "Baritone sax", "Oboe", "English horn", "Bassoon", "Clarinet",
    "Piccolo", "Flute", "Recorder", "Pan flute", "Bottle", "Shakuhachi", "Whistle", "Ocarina",
    "Square lead", "Saw lead", "Calliope lead", "Chiff lead", "Charang lead", "Voice lead", "Fifths lead", "Bass and lead",
    "New age pad", "Warm pad", "Polysynth pad", "Choir pad", "Bowed pad", "Metallic pad", "Halo pad", "Sweep pad",
    "Rain", "Soundtrack", "Crystal", "Atmosphere", "Brightness", "Goblins", "Echoes", "Sci-fi",
    "Sitar", "Banjo", "Shamisen", "Koto", "Kalimba", "Bagpipe", "Fiddle", "Shanai",
    "Tinkle bell", "Agogo", "Steel drums", "Woodblock", "Taiko", "Melodic tom", "Synth drum", "Reverse cymbal",
    "Fret noise", "Breath", "Seashore", "Bird", "Telephone", "Helicopter", "Applause", "Gunshot",
)  # fmt: skip
