"""How jobs go back to the queue and how they end, whoever of the ledger's customers brings that about."""
