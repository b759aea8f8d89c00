"""The embedded default runtime of devbench: bubblewrap, no daemon, no image."""
