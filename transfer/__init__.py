"""Moving studies: out into files, in from files and from stock Optuna, and into other studies.

A file is JSON Lines in UTF-8. A study is a line of its definition and its life, a line for each
trial in the order of the numbers, and a line that ends it, so that a file that was cut is
noticed. Studies may follow each other. There are no ids in it: what is exported, imported
elsewhere and exported again is the same to the byte.
"""
