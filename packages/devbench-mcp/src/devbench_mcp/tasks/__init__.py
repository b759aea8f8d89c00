"""The extension ``io.modelcontextprotocol/tasks``: calls that are answered with a task while a command runs."""
