"""A sweeper of Hydra: it asks the service for batches of trials, and runs them as jobs."""
