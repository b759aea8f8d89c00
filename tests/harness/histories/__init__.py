"""Whether what clients saw of something shared can have happened in one order."""
