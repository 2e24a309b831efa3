"""What can be read in the ledger: jobs, their history, their places in line, queues, workers, counts."""
