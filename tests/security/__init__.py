"""What strangers and neighbours may do: a security review's trials, of what held and of what did not."""
