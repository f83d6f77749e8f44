"""What a study is created with, in JSON."""
