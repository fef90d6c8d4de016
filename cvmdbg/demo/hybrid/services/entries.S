// Where the monitor starts a thread for hostcall 403, and for hostcall 411: neither ever returns to it.
        .text

        .global call_entry
        .type   call_entry, %function
call_entry:
        mov     x29, xzr
        mov     x30, xzr
        bl      called
        b       cvm_exit
        .size   call_entry, .-call_entry

        .global stream_entry
        .type   stream_entry, %function
stream_entry:
        mov     x29, xzr
        mov     x30, xzr
        bl      streamed
        b       cvm_exit
        .size   stream_entry, .-stream_entry
