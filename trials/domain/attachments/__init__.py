"""What is attached to trials: notes, links, and logs."""
