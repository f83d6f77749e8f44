"""The page of a trial: why it ended so, its curve and parameters beside others', note, log."""
