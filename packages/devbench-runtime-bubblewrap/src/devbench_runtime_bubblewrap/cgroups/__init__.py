"""Control groups, version 1, version 2 and both side by side, as far as this user may write them."""
