"""Recordings: events with effects, observations, and the points in time between them."""
