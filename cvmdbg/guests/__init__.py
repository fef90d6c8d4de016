"""Guests: a configuration becomes an initial state, a stop at the boundary becomes effects."""
