"""Sheets that lie over the panes: inspector, explanation, help, one call whole."""
