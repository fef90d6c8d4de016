/* Entry: x0 is the number of rounds, sp a stack. At the end x0 is the checksum; the instruction behind the call
 * is where a run ends, the trap that the monitor of a cVM would take. */
        .globl  _start
_start: bl      work
        hlt     #0xc0de
