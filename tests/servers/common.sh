# SPDX-License-Identifier: Apache-2.0
#
# What the start scripts of servers share. Each is called `SCRIPT start FOLDER`, prints the endpoint as its last line
# once the server answers, and `SCRIPT stop FOLDER`, which ends what that folder's file `pids` names and nothing else.
# Exit status 77: this machine lacks the server.
set -euo pipefail
export LC_ALL=C.UTF-8

needs() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || {
      echo "SKIP: there is no $program here" >&2
      exit 77
    }
  done
}

# N ports that nobody has at this moment, all different.
free_ports() {
  python3 - "$1" <<'PY'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))
PY
}

# in_background FOLDER NAME COMMAND...: its output goes to FOLDER/NAME.out, its pid to FOLDER/pids.
in_background() {
  local folder=$1 name=$2
  shift 2
  "$@" >"$folder/$name.out" 2>&1 </dev/null &
  echo $! >>"$folder/pids"
}

# answers PORT: within 30 s something listens there. All that was started still runs, or waiting ends at once.
answers() {
  local i pid
  for ((i = 0; i < 300; ++i)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    while read -r pid; do kill -0 "$pid" 2>/dev/null || return 1; done <"$2/pids"
    sleep 0.1
  done
  return 1
}

stop() {
  local folder=$1 pid i
  [[ -f $folder/pids ]] || return 0
  while read -r pid; do kill "-${2:-KILL}" "$pid" 2>/dev/null || true; done < <(tac "$folder/pids")
  for ((i = 0; i < 100; ++i)); do
    while read -r pid; do
      kill -0 "$pid" 2>/dev/null && { sleep 0.1; continue 2; }
    done <"$folder/pids"
    break
  done
  rm -f "$folder/pids"
}

# serve VERB FOLDER SIGNAL: `start` is the script's own. A port may be taken by somebody else between the choice
# and the start, so that a start that failed is tried again.
serve() {
  local verb=${1:?start or stop} folder=${2:?a folder} attempt
  case "$verb" in
    stop) stop "$folder" "$3" ;;
    start)
      for attempt in 1 2 3; do
        rm -rf "$folder"
        mkdir -p "$folder"
        : >"$folder/pids"
        (start "$(cd "$folder" && pwd)") && return 0
        stop "$folder" KILL
      done
      echo "$0: no start in $attempt attempts; see $folder/*.out" >&2
      tail -n 5 "$folder"/*.out >&2 || true
      return 1
      ;;
    *)
      echo "usage: $0 start|stop FOLDER" >&2
      return 2
      ;;
  esac
}
