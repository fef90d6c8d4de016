"""A live machine behind a stub of the GDB remote protocol.

target ──▶ link (client, registers' layout, the stub's quirks)
   │──▶ names      registers as the debugger calls them, from what the peer has
   │──▶ memory     what was read at this stop: bytes, and capabilities where the stub gives tags
   │──▶ points     breakpoints and watchpoints, put in place before the machine goes on
   └──▶ gates      crossings, seen by breakpoints at the LibOS's entries and returns
"""
