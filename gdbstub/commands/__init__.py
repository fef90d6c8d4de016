"""The packets by family: each module parses and spells its requests, serves them, and makes the client's calls."""
