"""Sweeps: many jobs from one command line.

sweep     compose the sweep, name its folder, hand it to Hydra's sweeper
grid      the sweeper: every combination of the values given
composing the configs of jobs
running   what runs jobs, what asks for jobs, the launcher that brings the two together
processes the launcher that -m uses: several jobs at a time, each in a process of its own
sharing   how many jobs a machine takes, and what of it each gets
worker    what such a process does
serial    the launcher that runs one job after the other, in this process
ray_cluster  the launcher for a Ray cluster; slurm: those through submitit, with requeued (what it runs) and queue
errand    a job on a machine of a cluster
jobs      what a job is, and what came of it
folders   what stands in the folders of jobs
plan      the sweep's own folder: its lock, and sweep.json
going_on  resume=SWEEP_DIR
progress  what is told while it runs
names     folder names of sweeps and jobs
table     sweep.csv, and what is printed at the end
search    the sweeper hydra/sweeper=optuna, with space (what it may choose from), sampling and objective
trials    what a search asks for and is told, with storage, begun (the same search or none) and pruning (in a trial)
winner    its tables and figures, and the one look at test
studies   read and check a study: study (what it is), study_claims (what was published), yaml_node (text with places)
study_*   its jobs, what its runs tell, the rows of its table, and how that is written
"""
