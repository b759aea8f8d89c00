"""Docker Engine as a runtime of devbench."""
