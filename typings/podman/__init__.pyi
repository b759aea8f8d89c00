# The few names of podman that the Podman runtime uses; its own annotations leave most types unknown.
