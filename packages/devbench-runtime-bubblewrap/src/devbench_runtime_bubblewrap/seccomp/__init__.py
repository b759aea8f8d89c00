"""The system call filter: classic BPF, generated here, loaded by bubblewrap before the agent is executed."""
