"""Studies that come and go: export, import, clone, and adoption of stock Optuna's studies.

A file is JSON Lines in UTF-8. A study is a line with its definition, a line for each trial in the
order of the numbers, and an end line, by which a truncated file is detected. Several studies may
follow each other. A file has no ids: exporting what was imported gives the same bytes.
"""
