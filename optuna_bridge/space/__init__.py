"""Search spaces: their parameters, how they are compared, and their points."""
