"""The instruction set as rows: what decodes, prints and assembles."""
