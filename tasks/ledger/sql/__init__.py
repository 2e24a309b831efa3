"""What the ledger is written on: the database, its tables, and the one thread that writes."""
