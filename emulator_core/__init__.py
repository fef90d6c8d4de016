"""The machine: capabilities, instruction rows and the engine."""
