"""What one song asks, decided: words, schedule, source and window; every default is filled in here."""
