"""A live machine behind a gdb that runs where the machine is, driven over GDB/MI.

target ──▶ talk (the gdb's program, its commands and answers) ──▶ records (one line of MI)
   │──▶ state      threads and registers as this gdb prints them
   │──▶ memory     what was read at this stop; capabilities where ``x/xgm`` tells tags
   │──▶ points     breakpoints and watchpoints, which this gdb keeps
   └──▶ peer       mappings, and the files that lie in them
"""
