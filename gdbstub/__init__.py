"""The GDB remote serial protocol, both ways, without any debugger.

packet          frames: bytes in, packets out
commands/*      the packets by family: parse, spell, serve, call
stops, thread   stop replies; names of threads
description, description_xml, layout     registers, their XML, how values travel in a dialect
conversation    the client's half, without I/O
client          typed calls in pipelined batches, runs, interrupts, retries
inspection      looking at a stub through a client: registers, threads, memory, objects, files
transport       TCP, Unix sockets, pipes
operations      what a server needs of a target
serving, server the server's half, without I/O
"""
