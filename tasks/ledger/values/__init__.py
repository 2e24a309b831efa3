"""What goes into the ledger and comes out of it: records, and the errors that say why not."""
