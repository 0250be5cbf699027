#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: slurmd of Slurm 22.05.8 (Debian 12), one node on loopback.
# Guess: a batch job whose working directory the node does not have fails before its script starts, as a job does whose output
#   file cannot be made.
# Seen: the script runs in /tmp, and the job's exit code is the script's. Only a line in the job's own log
#   says so. An output file in a directory that is not there fails the job before the script (1).
# Output seen: "no working directory: runs in /tmp, 0; no directory for the log: does not run, 1".
# Why it matters: on a node that lacks the shared filesystem a build writes its results to the node's /tmp and ends
#   well. The script must compare its directory with the one that was meant.
set -euo pipefail
pins=(slurmctld=22.05.8-4+deb12u3 slurmd=22.05.8-4+deb12u3 slurm-client=22.05.8-4+deb12u3 slurm-wlm-basic-plugins=22.05.8-4+deb12u3
	munge=0.5.15-2+deb12u1 libmunge2=0.5.15-2+deb12u1 libhwloc15=2.9.0-1 liblua5.1-0=5.1.5-9 liblz4-1=1.9.4-1 libnuma1=2.0.16-1
	libpam0g=1.5.2-6+deb12u2 libaudit1=1:3.0.9-1 libcap-ng0=0.8.3-1+b3)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
[ "$(id -u)" = 0 ] || { echo "cannot tell: slurmd starts jobs as their users only as root" >&2; exit 3; }
tmp=$(mktemp -d); cd "$tmp"; chmod 755 .; mkdir debs fs state run spool work
daemons=()
end() {
	scancel -u root 2>/dev/null || true
	[ ${#daemons[@]} = 0 ] || { kill "${daemons[@]}" 2>/dev/null || true; wait "${daemons[@]}" 2>/dev/null || true; }
	cd /; rm -rf "$tmp"
}
trap end EXIT
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
lib=$tmp/fs/usr/lib/x86_64-linux-gnu
export PATH=$tmp/fs/usr/bin:$tmp/fs/usr/sbin:$PATH SLURM_CONF=$tmp/slurm.conf
export LD_LIBRARY_PATH=$lib:$lib/slurm-wlm:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }

# One node on this machine, by its own munge key.
host=$(hostname -s) port=$((20000 + $$ % 20000))
cat >slurm.conf <<CONF
ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket=$tmp/run/munge.sock
SlurmctldPort=$port
PluginDir=$lib/slurm-wlm
StateSaveLocation=$tmp/state
SlurmdSpoolDir=$tmp/spool
SlurmctldPidFile=$tmp/run/slurmctld.pid
SlurmdPidFile=$tmp/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SlurmdParameters=config_overrides
MinJobAge=3
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=4 RealMemory=1000
PartitionName=main Nodes=n1 Default=YES State=UP
CONF
(umask 077; head -c 32 /dev/urandom >munge.key)
munged -F --force --key-file="$tmp/munge.key" --socket="$tmp/run/munge.sock" --pid-file="$tmp/run/munged.pid" \
	--seed-file="$tmp/run/seed" --log-file="$tmp/munged.log" >/dev/null 2>&1 & daemons+=($!)
sleep 1
slurmctld-wlm -D -i >ctld.log 2>&1 & daemons+=($!)
slurmd-wlm -D -N n1 -d "$tmp/fs/usr/sbin/slurmstepd-wlm" >slurmd.log 2>&1 & daemons+=($!)
for _ in $(seq 30); do [ "$(sinfo -h -o %T 2>/dev/null)" != idle ] || break; sleep 1; done
[ "$(sinfo -h -o %T 2>/dev/null)" = idle ] || { echo "cannot tell: the node does not come up here" >&2; tail -n 3 ctld.log slurmd.log >&2; exit 3; }
cd work

# submit OPTION...: a job that writes down where it runs; waits for its end.
submit() { rm -f where; code=0; sbatch --wait --parsable "$@" --wrap "pwd >$tmp/work/where" >id || code=$?; }
submit --chdir="$tmp/not-there" --output="$tmp/work/log"
[ "$code" = 0 ] && [ "$(cat where)" = /tmp ] || changed "no working directory: exit code $code, it ran in $(cat where)"
grep -q "going to /tmp instead" log || changed "the log does not say where the job ran"
submit --output="$tmp/not-there/log"
[ "$code" = 1 ] && [ ! -e where ] || changed "no directory for the log: exit code $code"
echo "no working directory: runs in /tmp, 0; no directory for the log: does not run, 1"
