#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# An authority for tests with certificates, good and bad: `certificates.sh FOLDER` writes ca.pem, other-ca.pem (which
# signed nothing), and NAME.pem with NAME.key for good (localhost, 127.0.0.1), wrong-name (other.example) and expired.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
needs openssl
folder=${1:?a folder}
mkdir -p "$folder"
cd "$folder"
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

for authority in ca other-ca; do
  openssl req -x509 "${key[@]}" -keyout "$authority.key" -out "$authority.pem" -days 3650 \
    -subj "/CN=Tests of Cairn, $authority" -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
done

: >index.txt
# certificate NAME ALTERNATIVE-NAMES NOT-BEFORE NOT-AFTER
certificate() {
  openssl req "${key[@]}" -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
  cat >"$1.cnf" <<CONF
[ca]
default_ca = authority
[authority]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
policy = names
x509_extensions = server
[names]
commonName = supplied
[server]
subjectAltName = $2
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
CONF
  openssl ca -batch -notext -config "$1.cnf" -in "$1.csr" -out "$1.pem" -cert ca.pem -keyfile ca.key \
    -startdate "$3" -enddate "$4" -md sha256 2>"$1.out"
}
certificate good DNS:localhost,IP:127.0.0.1 20200101000000Z 20991231000000Z
certificate wrong-name DNS:other.example 20200101000000Z 20991231000000Z
certificate expired DNS:localhost,IP:127.0.0.1 20200101000000Z 20210101000000Z
