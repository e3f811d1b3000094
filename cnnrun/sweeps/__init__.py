"""Sweeps: many jobs from one command line.

sweep    compose the sweep, name its folder, hand it to Hydra's sweeper
grid     the sweeper: every combination of the values given
serial   the launcher: one job after the other, in this process
jobs     what stands in a job's folder, and what came of it
names    folder names of sweeps and jobs
table    sweep.csv, and what is printed at the end
"""
