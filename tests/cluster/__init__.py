"""A cluster of hosts on one machine: each a network namespace with its own name, files and processes."""
