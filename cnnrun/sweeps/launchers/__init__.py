"""Where the jobs of a sweep run.

processes    the launcher that -m uses: several jobs at a time, each in a process of its own
sharing      how many jobs a machine takes, and what of it each gets
worker       what such a process does
serial       the launcher that runs one job after the other, in this process
ray_cluster  the launcher for a Ray cluster
slurm        those through submitit, with requeued (what it runs) and queue (what SLURM says of it)
errand       a job on a machine of a cluster
"""
