"""The kit bound to whatever is checked; the fixture ``subject`` is given by the recorder."""
