"""From a request to a job: its key, its quota, the song it may share, and the callback that is owed."""
