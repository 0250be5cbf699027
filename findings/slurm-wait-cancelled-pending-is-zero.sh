#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: sbatch --wait of Slurm 22.05.8 (Debian 12), one node on loopback.
# Guess: sbatch --wait exits with 0 only if the job, or every task of the array, ran and ended with 0.
# Seen: a job that is cancelled while it pends is 0, though nothing ran; so is an array of which one task was cancelled before it
#   began. A job that is cancelled while it runs is not 0; one killed by a signal is 1; an exit code arrives as it is.
# Output seen: "exit 3: 3, killed: 1, cancelled running: not 0, cancelled pending: 0, array without its second task: 0".
# Why it matters: an administrator who clears the queue makes a pipeline green. Count result files that the tasks write
#   last, not exit codes.
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

# waits SECONDS WHAT OPTION...: submits and waits; after so many seconds cancels WHAT of the job (or nothing: -).
waits() {
	local after=$1 what=$2; shift 2
	code=0; sbatch --wait --parsable "$@" >id & local pid=$!
	if [ "$what" != - ]; then
		for _ in $(seq 20); do [ ! -s id ] || break; sleep 0.5; done
		sleep "$after"; scancel "$(cat id)$what"
	fi
	wait "$pid" || code=$?
}
waits 0 - --wrap 'exit 3'; own=$code
waits 0 - --wrap 'kill -KILL $$'; killed=$code
waits 4 '' --wrap 'touch began; sleep 60'; running=0; [ $code = 0 ] || running='not 0'
[ -e began ] || { echo "cannot tell: the job did not begin in time" >&2; exit 3; }
waits 1 '' --begin=now+1hour --wrap 'touch never'; pending=$code
[ ! -e never ] || changed "a job with --begin ran at once"
waits 1 _1 --array=0-1%1 --wrap 'sleep 6; touch task$SLURM_ARRAY_TASK_ID'; array=$code
[ -e task0 ] && [ ! -e task1 ] || { echo "cannot tell: the second task was not cancelled in time" >&2; exit 3; }
seen="exit 3: $own, killed: $killed, cancelled running: $running, cancelled pending: $pending, array without its second task: $array"
echo "$seen"
[ "$seen" = "exit 3: 3, killed: 1, cancelled running: not 0, cancelled pending: 0, array without its second task: 0" ] || changed "$seen"
