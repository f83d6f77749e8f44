"""What one request or one caller may take of the service: threads, and time after it is gone."""
