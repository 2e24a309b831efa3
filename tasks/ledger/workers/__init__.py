"""What a worker does: from its registration by claims and endings to its retirement."""
