#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# PostgreSQL on loopback and a Unix socket, for tests: `postgres.sh start|stop FOLDER`. It prints the port; the socket is
# in the folder SOCKETS of that name. User postgres has the password SECRET (default: secret). FSYNC=on keeps what was committed
# through a crash of the machine as well. With CERTIFICATES, a folder of certificates.sh, it speaks TLS too.
# SETTINGS are lines of its configuration. `postgres.sh again FOLDER` starts one that was killed with what it had, on the same port.
# With UNTIL_CLOSED, the number of an open pipe, it ends at the latest when nobody has the pipe's other end any more.
# Debian 12: postgresql.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
[[ -n $programs ]] && PATH=$programs:$PATH
needs initdb postgres psql python3

# The server refuses to be root, and then is whom the package made for it.
as_server=()
if ((EUID == 0)); then
  needs setpriv
  as_server=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

start() {
  local folder=$1 port i
  read -r port < <(free_ports 1)
  chmod 755 "$folder"
  mkdir -p "$folder/server"
  ((EUID == 0)) && chown postgres "$folder/server"
  printf '%s\n' "${SECRET:-secret}" | "${as_server[@]}" sh -c "umask 077; cat >'$folder/server/password'" || return
  "${as_server[@]}" initdb -D "$folder/server/data" -U postgres --pwfile="$folder/server/password" -A scram-sha-256 -E UTF8 \
    --locale=C.UTF-8 -N >"$folder/initdb.out" 2>&1 || return
  {
    echo "listen_addresses = '127.0.0.1'"
    echo "port = $port"
    echo "unix_socket_directories = '$folder/server'"
    echo "fsync = ${FSYNC:-off}"
    echo "shared_buffers = 128MB"
    echo "max_wal_size = 1GB"
    echo "max_connections = 60"
    # A backend that is killed makes the others end as well; they are back at once.
    echo "restart_after_crash = on"
    echo "${SETTINGS:-}"
  } | "${as_server[@]}" sh -c "cat >>'$folder/server/data/postgresql.conf'" || return
  if [[ -n ${CERTIFICATES:-} ]]; then
    "${as_server[@]}" sh -c "umask 077; cat >'$folder/server/data/server.key'" <"$CERTIFICATES/good.key" || return
    "${as_server[@]}" sh -c "cat >'$folder/server/data/server.crt'" <"$CERTIFICATES/good.pem" || return
    echo "ssl = on" | "${as_server[@]}" sh -c "cat >>'$folder/server/data/postgresql.conf'" || return
  fi
  run "$folder" "$port"
}

# Until it answers queries.
run() {
  local folder=$1 port=$2 i
  in_background "$folder" postgres "${as_server[@]}" "$programs/postgres" -D "$folder/server/data"
  answers "$port" "$folder" || return
  for ((i = 0; i < 300; ++i)); do
    if PGPASSWORD=${SECRET:-secret} psql -h "$folder/server" -p "$port" -U postgres -Atc 'SELECT 1' postgres >/dev/null 2>&1; then
      echo "$port"
      return 0
    fi
    sleep 0.1
  done
  echo "the server listens and answers nothing" >&2
  return 1
}

if [[ ${1:-} == again ]]; then
  folder=$(cd "$2" && pwd)
  port=$(sed -n 's/^port = //p' "$folder/server/data/postgresql.conf" | tail -n 1)
  # Its sessions end by themselves, and until they have no other server begins.
  for ((attempt = 0; attempt < 100; ++attempt)); do
    : >"$folder/pids"
    run "$folder" "$port" && exit 0
    stop "$folder" KILL
    sleep 0.1
  done
  exit 1
fi

# Outlives whoever started it: a test that runs too long is killed with all its children.
if [[ ${1:-} == start && -n ${UNTIL_CLOSED:-} ]]; then
  (
    read -r -u "$UNTIL_CLOSED" || true
    stop "$2" QUIT
    rm -rf "$2"
  ) </dev/null >/dev/null 2>&1 &
fi

# Fast shutdown: sessions are ended.
serve "${1:-}" "${2:-}" INT
