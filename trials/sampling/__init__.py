"""What samplers and pruners see of a study, and how they are asked."""
