"""Pure functions: arrays in, numbers out. The table of names, METRICS, stands beside them in `classification`."""
