"""A terminal debugger for compartmentalized guests."""

__version__ = "0.1.0"
