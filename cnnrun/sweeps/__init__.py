"""Sweeps: many jobs from one command line.

sweep      compose the sweep, name its folder, hand it to Hydra's sweeper
grid       the sweeper: every combination of the values given
composing  the configs of jobs
running    what runs jobs, what asks for jobs, the launcher that brings the two together
jobs       what a job is, and what came of it
folders    what stands in the folders of jobs
plan       the sweep's own folder: its lock, and sweep.json
going_on   resume=SWEEP_DIR
progress   what is told while it runs
names      folder names of sweeps and jobs
table      sweep.csv, and what is printed at the end
objective  the metric that jobs make better

launchers  where jobs run: processes of this machine, a Ray cluster, SLURM
search     the sweeper hydra/sweeper=optuna
studies    published tables, run again
"""
