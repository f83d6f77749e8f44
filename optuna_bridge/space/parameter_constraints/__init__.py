"""Constraints between the parameters of a search space, such as `layers * width <= 4096`.

They are not the `constraints` of a study, which are numbers that a worker sends with a result.
"""
