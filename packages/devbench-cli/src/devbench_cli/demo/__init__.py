"""An agent's whole workflow, shown and checked step by step."""
