"""A stopped Morello machine that stands elsewhere, taken over as a guest of the emulator.

    registers   all of every thread, at once            ──▶ events of tick 0, and what could not be had
    pages       one when it is first touched            ──▶ an event of that moment
    guest       its boundary: nothing of it is modelled but the tube of a bare board

The machine is only read. It stays as it stands, so a page is the same whenever it is fetched.
"""
