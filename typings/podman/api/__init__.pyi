# Nothing of the package itself is used.
