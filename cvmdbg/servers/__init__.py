"""Faces for other programs: each lets a debugger of its own kind look at the guest of a session."""
