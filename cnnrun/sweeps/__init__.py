"""Sweeps: many jobs from one command line.

sweep    compose the sweep, name its folder, hand it to Hydra's sweeper
grid     the sweeper: every combination of the values given
serial   the launcher: one job after the other, in this process
running  the runners of jobs, the sources of jobs, the launcher that brings them together
jobs     what a job is, and what came of it
folders  what stands in the folders of jobs
names    folder names of sweeps and jobs
table    sweep.csv, and what is printed at the end
"""
