"""What of devbench is public: which modules, and their names and signatures as text that is kept beside this."""
