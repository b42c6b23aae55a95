"""A throw-away Slurm on this machine: a controller and some nodes, all below one folder.

    with LocalSlurm(folder, nodes=2) as slurm:
        subprocess.run(["sbatch", ...], env=slurm.env)

No root, no munge, no database and no other host are needed: the daemons trust whoever asks
(auth/none) and listen on the loopback alone. Needs Debian's slurmctld, slurmd and slurm-client.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_PROGRAMS = ("slurmctld", "slurmd", "scontrol", "sbatch", "srun", "scancel", "sinfo")
_SECONDS = 120  # to start or to stop
_ANSWER = 60  # seconds in which a daemon answers, even where the machine is busy
_CONF = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
MinJobAge=86400
MessageTimeout={answer}
KillWait=5
UnkillableStepTimeout=30
InactiveLimit=0
JobRequeue=1
MailProg=/bin/true
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime={grace}
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
"""
_NODE = (
    "NodeName=n{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} "
    "RealMemory={memory} State=UNKNOWN"
)
# The real one asks a database. Without an answer submitit never sees that a job was killed.
_SACCT = """\
#!{python} -S
import subprocess, sys
arguments = sys.argv[1:]
print("JobID|State|NodeList")
for job in [arguments[i + 1] for i, name in enumerate(arguments) if name == "-j"]:
    shown = subprocess.run(["scontrol", "-o", "show", "job", job], capture_output=True, text=True)
    for line in shown.stdout.splitlines():
        words = [word.partition("=") for word in line.split()]
        job = {{key: value for key, _, value in reversed(words)}}
        name, task = job["JobId"], job.get("ArrayTaskId")
        if task is not None:
            name = job["ArrayJobId"] + "_" + (task if task.isdigit() else f"[{{task}}]")
        print(name, job["JobState"], job["NodeList"], sep="|")
"""


class SlurmFailedError(RuntimeError):
    """A daemon did not come up; says what it logged."""


class LocalSlurm:
    """The daemons, from `start` to `stop`.

    Args:
        folder: for everything that they write; not there yet.
        nodes, cpus: how many, and how many cores each says it has.
        grace: seconds that a job of the partition "debug" is given when one of "high" preempts it.
    """

    def __init__(self, folder: Path, *, nodes: int = 1, cpus: int = 2, grace: int = 0) -> None:
        self.folder, self.nodes, self.cpus, self.grace = folder, nodes, cpus, grace
        self._daemons: list[subprocess.Popen] = []

    @staticmethod
    def missing() -> list[str]:
        """The programs that this machine lacks; none where `start` can work."""
        return [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]

    @property
    def env(self) -> dict[str, str]:
        """The environment of whoever speaks to this Slurm."""
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{_PATH}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "MASTER_ADDR": "127.0.0.1",  # the nodes' names mean nothing to a resolver
        }

    def __enter__(self) -> "LocalSlurm":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when all nodes wait for jobs.

        Raises:
            SlurmFailedError: a daemon ended or is silent; with the ends of the logs.
        """
        self._write()
        self._spawn("slurmctld", "-D", "-c")
        self._until(lambda: "is UP" in self.ask("scontrol", "ping"))
        for i in range(self.nodes):
            self._spawn("slurmd", "-D", "-N", f"n{i}")
        self._until(lambda: self.ask("sinfo", "-h", "-N", "-p", "debug", "-o", "%T") == self._idle)

    def stop(self) -> None:
        """Ends all jobs, the daemons, and whatever of the jobs outlives them."""
        if self._daemons:
            self.ask("scancel", "-f", "-u", getpass.getuser())
            self._wait(lambda: not list((self.folder / "spool").glob("*/n*_[0-9]*.[0-9]*")))
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        for pid in self._left_over():
            os.kill(pid, signal.SIGKILL)

    def ask(self, *command: str) -> str:
        """What a command says on stdout; nothing where it does not answer."""
        try:
            done = subprocess.run(
                command, env=self.env, capture_output=True, text=True, timeout=_ANSWER, check=False
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    def job_of(self, pid: int) -> str | None:
        """The job whose process this is; None for none of this Slurm's."""
        return _environment(pid).get("SLURM_JOB_ID") if self._owns(pid) else None

    def processes(self, job: str) -> list[int]:
        """The processes of a job that run its own code, not Slurm's."""
        return [pid for pid in self._left_over() if self.job_of(pid) == job]

    def jobs(self) -> list[dict[str, str]]:
        """All jobs of this Slurm's life, finished ones too, each by scontrol's own keys."""
        lines = self.ask("scontrol", "-o", "show", "job").splitlines()
        words = [[word.partition("=") for word in line.split()] for line in lines if "=" in line]
        return [{key: value for key, _, value in reversed(line)} for line in words]

    @property
    def _idle(self) -> str:
        return "idle\n" * self.nodes

    def _write(self) -> None:
        """The folders, the configuration, and a sacct that needs no database."""
        for name in ("bin", "log", "state", *(f"spool/n{i}" for i in range(self.nodes))):
            (self.folder / name).mkdir(parents=True)
        host, (port, *ports) = socket.gethostname().split(".")[0], _free_ports(self.nodes + 1)
        nodes = [
            _NODE.format(i=i, host=host, port=own, cpus=self.cpus, memory=_megabytes())
            for i, own in enumerate(ports)
        ]
        conf = _CONF.format(
            host=host,
            user=getpass.getuser(),
            port=port,
            folder=self.folder,
            grace=self.grace,
            answer=_ANSWER,
        )
        (self.folder / "slurm.conf").write_text("\n".join([*nodes, conf]))
        sacct = self.folder / "bin" / "sacct"
        sacct.write_text(_SACCT.format(python=sys.executable))
        sacct.chmod(0o755)

    def _spawn(self, program: str, *arguments: str) -> None:
        name = f"{program}-{len(self._daemons)}"
        with (self.folder / "log" / f"{name}.out").open("w") as log:
            daemon = subprocess.Popen(
                [str(shutil.which(program, path=_PATH)), *arguments],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._daemons.append(daemon)

    def _until(self, holds: Callable[[], bool]) -> None:
        if not self._wait(lambda: self._one_ended() or holds()) or self._one_ended():
            logs = sorted((self.folder / "log").iterdir())
            ends = [f"{log.name}:\n{log.read_text(errors='replace')[-600:]}" for log in logs]
            raise SlurmFailedError("Slurm did not come up\n" + "\n".join(ends))

    def _one_ended(self) -> bool:
        return any(daemon.poll() is not None for daemon in self._daemons)

    def _wait(self, holds: Callable[[], bool]) -> bool:
        end = time.monotonic() + _SECONDS
        while not (done := holds()) and time.monotonic() < end:
            time.sleep(0.1)
        return done

    def _left_over(self) -> list[int]:
        """The processes of this Slurm's jobs."""
        pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if pid != os.getpid() and self.job_of(pid) is not None]

    def _owns(self, pid: int) -> bool:
        return _environment(pid).get("SLURM_CONF") == str(self.folder / "slurm.conf")


def _environment(pid: int) -> dict[str, str]:
    """Of a process; empty where it is gone, or another user's."""
    try:
        lines = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def _megabytes() -> int:
    """Most of this machine's memory."""
    return int(0.9 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
