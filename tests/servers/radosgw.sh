#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Ceph's object gateway with one monitor and one disk daemon, on loopback, for tests: `radosgw.sh start|stop FOLDER`.
# Users TESTKEY/TESTSECRET and OTHERKEY/OTHERSECRET, who may not touch each other's buckets. STORE=memstore (default)
# keeps everything in memory; STORE=bluestore keeps it in FOLDER, even when the processes are killed.
# With SESSIONS=on there is a second gateway to the same objects, named in FOLDER/sessions, that looks at session tokens,
# which the first one ignores; it calls everything that is wrong with a request's credentials AccessDenied.
# MEMORY is how many bytes memstore takes; the server is stuck when they are full.
# Debian 12: radosgw ceph-mon ceph-osd ceph-common.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
needs radosgw radosgw-admin ceph-mon ceph-osd ceph monmaptool python3
store=${STORE:-memstore}

write_configuration() {
  local folder=$1 fsid=$2 monitor=$3 gateway=$4 sessions=$5
  mkdir -p "$folder"/{mon,osd,rgw,sessions-data,run,log}
  : >"$folder/keyring"
  cat >"$folder/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$monitor/0
public addr = 127.0.0.1
ms bind msgr1 = false
ms mon client mode = crc
ms mon service mode = crc
auth cluster required = none
auth service required = none
auth client required = none
keyring = $folder/keyring
run dir = $folder/run
admin socket = $folder/run/\$name.asok
log file = $folder/log/\$name.log
crash dir = $folder/log
mon data = $folder/mon
mon data avail crit = 1
mon allow pool size one = true
osd data = $folder/osd
osd objectstore = $store
memstore device bytes = ${MEMORY:-4294967296}
bluestore block size = 6442450944
osd memory target = 939524096
# The gateway works through classes that the disk daemon loads.
osd class load list = *
osd class default list = *
# One disk is all there is.
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
rgw rados pool pg num min = 1
# Pools are created while the first requests come; the monitor need not wait for others to agree.
paxos propose interval = 0.05
paxos min wait = 0.01
# What was replaced or removed gives its space back in seconds, not hours.
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
rgw data = $folder/rgw
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$gateway
rgw thread pool size = 32
[client.sessions]
rgw frontends = beast endpoint=127.0.0.1:$sessions
rgw data = $folder/sessions-data
rgw s3 auth use sts = true
rgw sts key = a-key-for-tests!
CONF
}

start() {
  local folder=$1 conf=$1/ceph.conf fsid osd monitor gateway sessions user
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd=$(cat /proc/sys/kernel/random/uuid)
  read -r monitor gateway sessions < <(free_ports 3)
  write_configuration "$folder" "$fsid" "$monitor" "$gateway" "$sessions"
  monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor]" "$folder/monmap" >"$folder/setup.out"
  ceph-mon -c "$conf" -i a --mkfs --monmap "$folder/monmap" >>"$folder/setup.out" 2>&1 || return
  in_background "$folder" mon ceph-mon -c "$conf" -i a -f
  timeout 30 ceph -c "$conf" osd new "$osd" 0 >>"$folder/setup.out" 2>&1 || return
  ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$osd" >>"$folder/setup.out" 2>&1 || return
  in_background "$folder" osd ceph-osd -c "$conf" -i 0 -f
  for user in TEST OTHER; do
    timeout 60 radosgw-admin -c "$conf" -n client.rgw user create --uid="${user,,}" --display-name="${user,,}" \
      --access-key="${user}KEY" --secret-key="${user}SECRET" >>"$folder/setup.out" 2>&1 || return
  done
  in_background "$folder" rgw radosgw -c "$conf" -n client.rgw -f
  answers "$gateway" "$folder" || return
  if [[ ${SESSIONS:-off} == on ]]; then
    in_background "$folder" sessions-gateway radosgw -c "$conf" -n client.sessions -f
    answers "$sessions" "$folder" || return
    echo "http://127.0.0.1:$sessions" >"$folder/sessions"
  fi
  echo "http://127.0.0.1:$gateway"
}

# The memory of a killed daemon needs no care.
[[ $store == memstore ]] && signal=KILL || signal=TERM
serve "${1:-}" "${2:-}" "$signal"
