"""The Django app `studies`: the definition, the state and the progress of studies."""
