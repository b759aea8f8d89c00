"""Contracts, composition and use cases of devbench: isolated workspaces for AI agents."""
