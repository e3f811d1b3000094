"""Where the jobs of a sweep run.

processes       the launcher that -m uses: several jobs at a time, each in a process of its own
process_runner  starts them and sees how they end, with forking (where they come from) and worker (what they do)
sharing         how many jobs a machine takes, and what of it each gets
serial          the launcher that runs one job after the other, in this process
ray_cluster     the launcher for a Ray cluster
slurm           those through submitit, with requeued (what it runs) and queue (what SLURM says of it)
errand          a job on a machine of a cluster
"""
