"""The GDB remote serial protocol, without any debugger: framing first."""
