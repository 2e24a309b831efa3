"""What goes when it is old: songs, uploads, records."""
