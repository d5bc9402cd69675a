"""Where groups of cells are carried out."""
