"""What the network hears before it starts: words, timbre, source."""
