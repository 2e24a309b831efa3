"""What each player plays: events on the beats' grid, before feel and loudness are put to them."""
