"""The player: a `Score` in, mastered stereo samples out, on a General MIDI sound font.

It is our own because none of the players on PyPI is in tune, quick, portable and of a kept-up licence at
once; the numpy one is no slower than theirs and gives the same bytes whatever the machine's thread count.
"""
