"""Sweeps: many jobs from one command line.

sweep     compose the sweep, name its folder, hand it to Hydra's sweeper
grid      the sweeper: every combination of the values given
running   what runs jobs, what asks for jobs, the launcher that brings the two together
serial    the launcher: one job after the other, in this process
jobs      what a job is, and what came of it
folders   what stands in the folders of jobs
plan      the sweep's own folder
progress  what is told while it runs
names     folder names of sweeps and jobs
table     sweep.csv, and what is printed at the end
studies   read and check a study: study (what it is), study_claims (what was published), yaml_node (text with places)
study_*   its jobs, what its runs tell, the rows of its table, and how that is written
"""
