"""One module for each group of commands; each exports `app`, which the command line mounts."""
