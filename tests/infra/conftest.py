"""The tests of the test suite's own parts run pytest inside pytest."""

pytest_plugins = ["pytester"]
