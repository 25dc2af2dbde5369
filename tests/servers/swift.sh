#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# OpenStack Swift with its S3 interface, on loopback, for tests: `swift.sh start|stop FOLDER`. It answers 501 to a
# conditional PUT, which makes it the server that shows how a client does without.
# User test:tester with the secret TESTSECRET.
# Debian 12: swift-proxy swift-account swift-container swift-object.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
needs swift-ring-builder /usr/bin/python3
for server in proxy account container object; do needs "swift-$server-server"; done

middlewares=(catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo
  versioned_writes symlink)

common_part() {
  printf '[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = %s\nworkers = 0\nuser = %s\nswift_dir = %s/etc\n' "$1" "$(id -un)" "$2"
  printf 'devices = %s/devices\nmount_check = false\nfallocate_reserve = 0\n' "$2"
}

# One server, run without Swift's own daemons around it, by the Python that Debian installs it for.
run_server() {
  local folder=$1 type=$2
  in_background "$folder" "$type" /usr/bin/python3 -c \
    "from swift.common.wsgi import run_wsgi; run_wsgi('$folder/etc/$type.conf', '$type-server')"
}

write_proxy() {
  local name entry
  common_part "$1" "$2"
  printf '[pipeline:main]\npipeline = %s proxy-server\n' "${middlewares[*]}"
  printf '[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n'
  for name in "${middlewares[@]}"; do
    entry=$name
    [[ $name == cache ]] && entry=memcache
    printf '[filter:%s]\nuse = egg:swift#%s\n' "$name" "$entry"
    case "$name" in
      # There is no such cache, which Swift can do without.
      cache) echo "memcache_servers = 127.0.0.1:1" ;;
      s3api) echo "location = us-east-1" ;;
      tempauth) echo "user_test_tester = TESTSECRET .admin" ;;
      versioned_writes) echo "allow_object_versioning = true" ;;
    esac
  done
}

start() {
  local folder=$1 ports type i step
  read -r -a ports < <(free_ports 4)
  mkdir -p "$folder"/{etc,devices/d1}
  cd "$folder/etc"
  printf '[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n' >swift.conf
  printf '[storage-policy:0]\nname = one\ndefault = yes\n' >>swift.conf
  i=0
  for type in account container object; do
    i=$((i + 1))
    {
      common_part "${ports[i]}" "$folder"
      printf '[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n' "$type" "$type" "$type"
    } >"$type.conf"
    for step in "create 4 1 0" "add r1z1-127.0.0.1:${ports[i]}/d1 1" rebalance; do
      # shellcheck disable=SC2086 # the step's words are arguments
      swift-ring-builder "$type.builder" $step >>"$folder/setup.out" 2>&1 || return
    done
    run_server "$folder" "$type"
  done
  write_proxy "${ports[0]}" "$folder" >proxy.conf
  run_server "$folder" proxy
  for i in "${ports[@]}"; do answers "$i" "$folder" || return; done
  echo "http://127.0.0.1:${ports[0]}"
}

serve "${1:-}" "${2:-}" KILL
