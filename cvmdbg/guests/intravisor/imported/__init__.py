"""The console log of a real Intravisor run, read back: what its lines say of compartments, loads and threads."""
