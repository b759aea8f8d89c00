"""What a container sees, as arguments of bwrap."""
