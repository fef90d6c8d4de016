"""DWARF of one file: lines, functions and variables, types, call frames, location expressions.

Everything is read on first use. The content is hostile: what is broken becomes one sentence (elf.careful).
"""
