"""What the dispatcher does: it releases jobs, takes back what was lost, and moves what waits in vain."""
