"""Reading and writing tar and zip as streams, in constant memory, trusting nothing."""
