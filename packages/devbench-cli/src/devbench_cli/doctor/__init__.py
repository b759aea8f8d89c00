"""What is installed, what answers, what is missing, and what mends it."""
