"""What the debugger concludes from a stopped guest: compartments, crossings, loader, explanations. No UI."""
