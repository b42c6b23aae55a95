"""The three stages of a run: pre-train, fine-tune, evaluate. Each leaves its result in a file.

A stage whose file is there is not done again, and a stage that did not finish has no file.
"""
