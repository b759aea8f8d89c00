"""One host of an installation does what is to be done once: it leads, under a lease, and its writes carry the token."""
