"""Signs for what is to be known of a value, the same in figures and in tables."""

MARKS = {"best": "*", "tied": "≈", "chosen": "▸", "dead": "†", "failed": "×"}
