"""A real SLURM of one node on this machine, for tests.

It needs Debian's slurmd, slurmctld, slurm-client and munge, and to be root: the executor's plugin
drops every SLURM_* variable from the environment, so the cluster must be the one in /etc/slurm. A
machine that has a cluster there is left alone. Nothing is confined and nothing is accounted for.
Eight CPUs and a GPU are claimed whatever there is, so that jobs of the study fit: the GPU is only
counted. At the end the daemons are stopped, by the ids that they wrote, and the files removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = Path("/etc/slurm")
MUNGE = Path("/run/munge")
DAEMONS = ("slurmctld", "slurmd", "munged")
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
# Snakemake asks squeue what became of a job, which must not have forgotten it.
MinJobAge=86400
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:fake:1 State=UNKNOWN
PartitionName=cpu Nodes={node} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={node} MaxTime=INFINITE State=UP
"""
GRES_CONF = "NodeName={node} Name=gpu Type=fake File=/dev/null\n"
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"


def why_not() -> str:
    """Return why no SLURM can be started here, or nothing."""
    missing = [name for name in DAEMONS if not shutil.which(name, path=ENVIRONMENT["PATH"])]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "a SLURM of one's own needs root"
    if (CONFIG / "slurm.conf").exists():
        return f"there is a cluster in {CONFIG} already"
    return ""


@contextmanager
def one_node_slurm(folder: Path) -> Iterator[None]:
    """Start the daemons, whose state and logs go to `folder`; stop them at the end."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    CONFIG.mkdir(exist_ok=True)
    node = socket.gethostname().split(".")[0]
    files = {"slurm.conf": SLURM_CONF, "gres.conf": GRES_CONF, "cgroup.conf": CGROUP_CONF}
    try:
        for name, text in files.items():
            (CONFIG / name).write_text(text.format(node=node, folder=folder))
        if not _is_alive(MUNGE / "munged.pid"):
            _start_munge()
        for daemon in ("slurmctld", "slurmd"):
            _run(daemon)
        _wait_until_idle(folder)
        yield
    finally:
        if _is_alive(folder / "slurmctld.pid"):
            _run("scancel", "--user", "root", check=False)
        for pid_file in (folder / "slurmd.pid", folder / "slurmctld.pid", MUNGE / "munged.pid"):
            if _is_alive(pid_file):
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
        for name in files:
            (CONFIG / name).unlink(missing_ok=True)


def squeue(*arguments: str) -> list[list[str]]:
    """Return the rows of `squeue`; their cells are separated by ``|`` in the format asked for."""
    printed = _run("squeue", "--noheader", *arguments).stdout
    return [line.split("|") for line in printed.splitlines()]


def describe_jobs() -> list[dict[str, str]]:
    """Return all jobs that the cluster remembers, by the names of `scontrol show job`."""
    printed = _run("scontrol", "--oneliner", "show", "job").stdout
    return [
        dict(field.split("=", 1) for field in line.split() if "=" in field)
        for line in printed.splitlines()
    ]


def cancel(*jobs: str) -> None:
    """Cancel jobs by their ids, or all of them."""
    _run("scancel", *(jobs or ("--user", "root")))


def _run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    process = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert not check or process.returncode == 0, (command, process.stderr)
    return process


def _start_munge() -> None:
    """Start the authentication daemon as its own user, with a key of its own."""
    for folder in (MUNGE, Path("/var/log/munge"), Path("/var/lib/munge"), Path("/etc/munge")):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, "munge", "munge")
    MUNGE.chmod(0o755)
    key = Path("/etc/munge/munge.key")
    if not key.exists():
        key.write_bytes(os.urandom(1024))
        shutil.chown(key, "munge", "munge")
        key.chmod(0o400)
    _run("runuser", "-u", "munge", "--", "munged")


def _wait_until_idle(folder: Path) -> None:
    for _ in range(60):
        if "idle" in _run("sinfo", "--noheader", "--format=%T", check=False).stdout:
            return
        time.sleep(0.5)
    logs = [(folder / f"{name}.log").read_text()[-2000:] for name in ("slurmctld", "slurmd")]
    raise AssertionError("the node does not come up:\n" + "\n".join(logs))


def _is_alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True
