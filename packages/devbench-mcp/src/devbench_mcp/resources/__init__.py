"""Outputs of commands and files of workspaces as resources: listed, read, completed, and followed by subscribers."""
