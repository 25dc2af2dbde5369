// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/address.h"

#include <libpq-fe.h>
#include <openssl/crypto.h>

#include <cstring>
#include <memory>

#include "replication/postgres/errors.h"

namespace cairn::postgres {
namespace {

struct FreeOptions {
  // Of the values one may be a password.
  void operator()(PQconninfoOption* options) const {
    for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
      if (option->val != nullptr) OPENSSL_cleanse(option->val, std::strlen(option->val));
    }
    PQconninfoFree(options);
  }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

std::string_view value_of(const Options& options, std::string_view keyword) {
  for (const PQconninfoOption* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (option->keyword == keyword && option->val != nullptr) return option->val;
  }
  return {};
}

bool is_local(std::string_view host) {
  return host.empty() || host.front() == '/' || host.front() == '@' || host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

// Several are parted by commas. Nothing at all is the Unix socket of this machine.
bool all_are_local(std::string_view hosts) {
  while (true) {
    const std::size_t comma = hosts.find(',');
    if (!is_local(hosts.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    hosts.remove_prefix(comma + 1);
  }
}

Result<Options> parse(std::string_view address) {
  // libpq wants a string that ends; what it copies of it is wiped when it goes.
  std::string text(address);
  const WipedAtEnd wiped(text);
  char* why = nullptr;
  Options said(PQconninfoParse(text.c_str(), &why));
  // The reason quotes the text.
  if (why != nullptr) PQfreemem(why);
  if (said && text.find('\0') == std::string::npos) return said;
  return make_error(ErrorCode::invalid_argument, "the address of the PostgreSQL server cannot be read");
}

}  // namespace

Status check_shown(std::string_view text) {
  CAIRN_TRY(const Options said, parse(text));
  for (const PQconninfoOption* option = said.get(); option->keyword != nullptr; ++option) {
    // libpq marks so what a form that asks for it would not show.
    if (option->val == nullptr || std::string_view(option->dispchar) != "*") continue;
    return make_error(ErrorCode::invalid_argument,
                      "the address of a PostgreSQL server that is kept has no password in it: that belongs into "
                      "~/.pgpass, the file that PGPASSFILE names, or PGPASSWORD");
  }
  return {};
}

Result<std::vector<Keyword>> keywords_behind(const Address& address) {
  CAIRN_TRY(const Options said, parse(address.text.reveal()));
  // With what the variables say where the text is silent.
  const Options defaults(PQconndefaults());
  const auto either = [&](std::string_view keyword) {
    const std::string_view value = value_of(said, keyword);
    return value.empty() ? value_of(defaults, keyword) : value;
  };
  // A service file may name any host. An address goes before the name of a host.
  const std::string_view address_of_host = either("hostaddr");
  const bool local =
      value_of(said, "service").empty() && all_are_local(address_of_host.empty() ? either("host") : address_of_host);
  const char* const wanted = std::getenv("PGSSLMODE");
  const bool said_so = !value_of(said, "sslmode").empty() || (wanted != nullptr && *wanted != '\0');

  std::vector<Keyword> keywords{{"client_encoding", "UTF8"}, {"fallback_application_name", "cairn"}};
  if (!address.ca_file.empty()) keywords.emplace_back("sslrootcert", address.ca_file);
  if ((!local || !address.ca_file.empty()) && !said_so) {
    keywords.emplace_back("sslmode", "verify-full");
    // What is encrypted by other means would go past it.
    keywords.emplace_back("gssencmode", "disable");
  }
  return keywords;
}

}  // namespace cairn::postgres
