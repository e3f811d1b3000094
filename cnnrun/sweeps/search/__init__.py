"""A search for the best settings, with Optuna.

sweeper    hydra/sweeper=optuna: asks for trials until there are enough
space      what it may choose from, with sampling
trials     what a search asks for and is told
storage    the file that a search survives in
begun      the same search or none
pruning    the end of a hopeless trial, with reporting: what a trial imports for it
winner     the best trial, the tables and figures of all, and the one look at test
"""
