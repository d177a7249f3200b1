"""How fast Syncra is: ratios against hand-written code, measured in one run.

`python -m benchmarks` measures and prints them; README.md says what they mean.
"""
