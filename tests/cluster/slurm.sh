#!/usr/bin/env bash
# A SLURM of one node, for tests: bash tests/cluster/slurm.sh start|stop FOLDER
# Needs root and Debian's packages slurm-wlm and munge. All that it writes is in FOLDER; clients take SLURM_CONF=FOLDER/slurm.conf.
# Partition low may be preempted by partition high, whose jobs send it back into the queue.
set -euo pipefail
what=$1
folder=$(realpath -m "$2")
export SLURM_CONF=$folder/slurm.conf

if [ "$what" = stop ]; then
  for daemon in slurmctld slurmd munged; do
    if [ -f "$folder/$daemon.pid" ]; then kill -9 "$(cat "$folder/$daemon.pid")" 2> /dev/null || true; fi
  done
  pkill -9 -f "^slurmstepd: \[" 2> /dev/null || true
  exit 0
fi

mkdir -p "$folder/state" "$folder/spool"
chmod 755 "$folder"
dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
chmod 400 "$folder/munge.key"
node=$(hostname -s)
cat > "$SLURM_CONF" << EOF
ClusterName=tests
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=preempt_send_user_signal,batch_sched_delay=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=2
SlurmdTimeout=10
UnkillableStepTimeout=30
NodeName=$node NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=low Nodes=$node Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=10
PartitionName=high Nodes=$node MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
EOF
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
slurmctld -c
slurmd -c
for _ in $(seq 100); do
  if sinfo --noheader --format=%t 2> /dev/null | grep -q idle; then exit 0; fi
  sleep 0.2
done
echo "SLURM does not start:" >&2
tail -q -n 20 "$folder"/*.log >&2
exit 1
