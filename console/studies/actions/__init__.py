"""Actions on the studies that are selected in the list."""
