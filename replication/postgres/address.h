// SPDX-License-Identifier: Apache-2.0
//
// Where a database is and how it is spoken to: from a connection string or the PG* variables to what libpq is given.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/result.h"
#include "replication/secret.h"

namespace cairn::postgres {

struct Address {
  // postgresql://… or "host=… dbname=…", as libpq has them; empty: the PG* variables say it all. It may hold a
  // password, and is never part of an error.
  Secret text = {};
  // Certificates of authorities in PEM (sslrootcert). Whoever names one wants TLS: also of this machine the server is
  // verified then. Empty: what the text or the variables say.
  std::string ca_file = {};
  // For all hosts together.
  std::chrono::milliseconds connect_timeout{10'000};
  // Of one statement, waiting for locks included. The server ends a statement, and a transaction that lies idle, after
  // it; a little later we give the connection up.
  std::chrono::milliseconds statement_timeout{120'000};
};

// One of libpq's keywords and its value.
using Keyword = std::pair<std::string, std::string>;

// What is given behind the text of the address, and counts before what that says: without a word about TLS in the text
// or in PGSSLMODE, verify-full, unless every host is a Unix socket or a loopback address. invalid_argument: the text
// cannot be read; it is not quoted.
Result<std::vector<Keyword>> keywords_behind(const Address& address);

// Whether a text may be kept in a file and shown: it can be read, and has no password in it. invalid_argument, in words
// that repeat nothing of it.
Status check_shown(std::string_view text);

}  // namespace cairn::postgres
