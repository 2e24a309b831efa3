"""From a request to a job: its key, its quota, and the callback that is owed."""
