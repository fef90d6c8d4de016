"""Linux as its programs see it: the facts of its system calls."""
