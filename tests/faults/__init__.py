"""Real faults in real processes, and the invariant that has to hold after each: `python -m tests.faults`."""
