"""Export, import and clone of studies, and adoption of studies that stock Optuna created.

A file is JSON Lines in UTF-8. A study is a line with its definition, a line for each trial in the
order of the numbers, and an end line, by which a truncated file is detected. A file may contain
several studies. It contains no database ids, so exporting an imported study yields the same bytes.
"""
