"""`tuner agent`: evaluates the trials of a study by a command, of any language."""
