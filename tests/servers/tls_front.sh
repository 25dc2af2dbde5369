#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# nginx with TLS before a server that has none, for tests: `BACKEND=host:port CERTIFICATES=FOLDER tls_front.sh
# start|stop FOLDER`. It prints its endpoints in the order: good, wrong-name, expired (as certificates.sh calls them), and
# old, which has the good certificate and speaks nothing newer than TLS 1.1.
# Debian 12: nginx-light.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
needs nginx

front() {
  echo "server {
  listen 127.0.0.1:$1 ssl;
  ssl_certificate $CERTIFICATES/$2.pem;
  ssl_certificate_key $CERTIFICATES/$2.key;
  ${3:-}
  location / { proxy_pass http://$BACKEND; }
}"
}

start() {
  local folder=$1 ports owner=""
  ((EUID != 0)) || owner="user root;"
  read -r -a ports < <(free_ports 4)
  cat >"$folder/nginx.conf" <<CONF
$owner
pid $folder/nginx.pid;
error_log $folder/error.out;
worker_processes 1;
daemon off;
events { worker_connections 256; }
http {
access_log $folder/access.out;
client_body_temp_path $folder/bodies;
proxy_temp_path $folder/proxied;
fastcgi_temp_path $folder/fastcgi;
uwsgi_temp_path $folder/uwsgi;
scgi_temp_path $folder/scgi;
client_max_body_size 0;
proxy_http_version 1.1;
# What was signed reaches the server as it was.
proxy_set_header Host \$http_host;
proxy_request_buffering off;
proxy_buffering off;
ssl_protocols TLSv1.2 TLSv1.3;
$(front "${ports[0]}" good)
$(front "${ports[1]}" wrong-name)
$(front "${ports[2]}" expired)
$(front "${ports[3]}" good 'ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;')
}
CONF
  in_background "$folder" nginx nginx -p "$folder" -c "$folder/nginx.conf" -e "$folder/error.out"
  answers "${ports[0]}" "$folder" || return
  printf 'https://127.0.0.1:%s ' "${ports[@]}"
  echo
}

# The master ends its workers.
serve "${1:-}" "${2:-}" TERM
