"""What those who run Tutti write down: API keys and canaries."""
