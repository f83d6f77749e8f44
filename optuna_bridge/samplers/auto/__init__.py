"""The sampler `auto`: a rule that chooses another sampler for each ask, and its parts."""
