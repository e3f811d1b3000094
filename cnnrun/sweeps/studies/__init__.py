"""Published tables: their jobs, and what came of them beside what was published.

reading    a study's YAML, checked, with yaml_node: text with places
study      what a study is, and claims: the sentences and numbers that were published
jobs       of a study
runs       what they tell
table      its rows
report     study.md and study.csv, and what is printed
"""
