"""One file per pane: how its rows are asked for and drawn."""
