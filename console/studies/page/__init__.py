"""What a study's page shows."""
