"""What all live machines have in common, whatever lies between: a stub (``remote``) or a gdb (``gdbmi``).

target ──▶ parts      what a kind of link gives: registers, memory, points
   │──▶ names      registers as the debugger calls them, from what the peer has
   │──▶ gates      crossings, seen by breakpoints at the LibOS's entries and returns
   └──▶ witness    writes down what is seen, as it is seen; recalled reads it back
"""
