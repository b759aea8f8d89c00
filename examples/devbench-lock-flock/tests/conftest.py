"""The kit's failures name the clause, and the docstring that states it."""

pytest_plugins = ["devbench_core.testing.pytest_plugin"]
