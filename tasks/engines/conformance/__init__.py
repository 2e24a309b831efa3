"""What every engine has to hold, as tests that any engine can be put to.

    python -m tasks.engines.conformance --engine NAME

The engine is loaded in this process as its settings say (`TUTTI_MODEL` and the others), so that a tiny
checkpoint on a CPU will do. Audio is compared bit for bit; a song in company, on a CPU with torch, to two
steps of 16 bits: matrix products round there by the number of rows.
"""
