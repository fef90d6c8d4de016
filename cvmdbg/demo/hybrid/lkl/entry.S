// Where hostcall 11 starts a thread.
        .text

        .global thread_entry
        .type   thread_entry, %function
thread_entry:
        mov     x29, xzr
        mov     x30, xzr
        bl      worker
        b       cvm_exit
        .size   thread_entry, .-thread_entry
