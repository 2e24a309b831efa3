"""What Elasticsearch has to know before lines arrive: data streams, mappings, retention, a key."""
