"""What `deploy/compose.yml` sets up, in real containers: images from this machine stand for those of registries."""
