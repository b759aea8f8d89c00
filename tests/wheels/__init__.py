"""Release wheels, built and proved: each plugin alone with core, newest and lowest, in a fresh environment."""
