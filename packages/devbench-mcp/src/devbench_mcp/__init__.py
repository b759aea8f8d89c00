"""The MCP and HTTP host of devbench."""
