#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: sbatch and slurmctld 22.05.8 (Debian 12), one node on loopback, MinJobAge=3 (300 s by default).
# Guess: --dependency=afterok:ID starts a job only if job ID ended well. If ID failed, or is no job that the
#   controller knows, the job never starts or is refused when it is submitted.
# Seen: while the controller remembers the failure, the job pends (DependencyNeverSatisfied). MinJobAge seconds after the
#   end it has forgotten it, and the same line is taken and the job runs. An ID that never existed is taken, too.
# Output seen: "remembered: DependencyNeverSatisfied; forgotten: runs, 0; never there: runs, 0".
# Why it matters: a step "publish if the build was good" that is submitted late publishes after a failed build. Let
#   the step itself look for the result that the build writes last.
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

# submit OPTION...: a job that leaves a file if it ran; waits for its end.
submit() { rm -f ran; code=0; timeout 30 sbatch --wait --parsable "$@" --wrap 'touch ran' >id || code=$?; }
bad=$(sbatch --parsable --wrap 'exit 3'); bad=${bad%%;*}
for _ in $(seq 20); do [ "$(squeue -h -j "$bad" -t all -o %T)" != FAILED ] || break; sleep 0.5; done
soon=$(sbatch --parsable --dependency="afterok:$bad" --wrap true)
sleep 1.5
reason=$(squeue -h -j "$soon" -o %r)
[ "$reason" = DependencyNeverSatisfied ] || changed "a remembered failure: $reason"
scancel "$soon"
for _ in $(seq 90); do scontrol show job "$bad" >/dev/null 2>&1 || break; sleep 1; done
! scontrol show job "$bad" >/dev/null 2>&1 || changed "the failure is remembered for longer than MinJobAge"
submit --dependency="afterok:$bad"
[ "$code" = 0 ] && [ -e ran ] || changed "a forgotten failure: exit code $code"
submit --dependency=afterok:4711
[ "$code" = 0 ] && [ -e ran ] || changed "a job that never was: exit code $code"
echo "remembered: $reason; forgotten: runs, 0; never there: runs, 0"
