"""Classify pictures that nobody has labelled.

inputs      which files, in which order
classes     what the outputs of a network are called
truth       what the files really show, where that is known
texts       the small files that say so
network     from pixels to probabilities: a run's network, or one with trained weights
rows        the table of predictions, written as it grows, and read again to go on
going_on    what a prediction was begun with
predicting  decode, predict, note: the loop
scores      how well the predictions agree with the truth
pictures    the contact sheet and the annotated copies
"""
