// SPDX-License-Identifier: Apache-2.0
//
// cairn ops: computations that are run once.
#include <memory>

#include "api/cli/answers.h"
#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string action, key;
  std::optional<std::size_t> limit;
};

Error no_operation(const std::string& key) {
  return Error{.code = ErrorCode::not_found, .message = "no operation '" + printable(key) + "'"};
}

Result<int> list(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Operations operations = store.operations();
  Listing rows({{"KEY"}, {"STATE"}, {"SIZE", Table::Align::right}, {"ATTEMPTS", Table::Align::right}, {"MESSAGE"}});
  const auto fetch = [&](const std::string& cursor, std::size_t count) { return operations.list(cursor, count); };
  const auto visit = [&](const OperationInfo& one) -> Status {
    rows.add(to_json(one), {session.out().name(one.key), std::string(operation_state_name(one.state)),
                            size_text(one.value_bytes), count_text(one.attempts), session.out().name(one.message)});
    return {};
  };
  CAIRN_CHECK(walk_pages(session, options.limit, &OperationPage::operations, fetch, visit));
  rows.print(session.out());
  return kExitDone;
}

Result<int> get(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const OperationInfo found, store.operations().find(options.key));
  if (found.state == OperationState::none) return no_operation(options.key);
  if (session.out().json()) {
    session.out().document(to_json(found));
  } else if (found.state == OperationState::done) {
    session.out().text(found.value.bytes);
  } else {
    return Error{.code = ErrorCode::not_found,
                 .message = "'" + printable(options.key) + "' is " + std::string(operation_state_name(found.state)) +
                            (found.message.empty() ? "" : ": " + printable(found.message))};
  }
  return kExitDone;
}

Result<int> remove(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(const bool was_there, store.operations().remove(options.key));
  CAIRN_CHECK(store.close());
  if (!was_there) return no_operation(options.key);
  if (session.out().json()) session.summary(Json{{"removed", 1}});
  return kExitDone;
}

Result<int> run_ops(Session& session, const Options& options) {
  if (options.action == "list") return list(session, options);
  if (options.action != "get" && options.action != "rm") {
    return wrong_usage("ops knows list, get and rm, not '" + printable(options.action) + "'");
  }
  if (options.key.empty()) return wrong_usage(options.action + " needs a KEY");
  return options.action == "get" ? get(session, options) : remove(session, options);
}

Run declare_ops(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("list|get|rm", given->action, "What to do");
  options.argument("KEY", given->key, "Of which operation", Need::optional);
  options.option("--limit", "N", given->limit, "list: at most so many");
  return [given](Session& session) { return run_ops(session, *given); };
}

}  // namespace

constinit const Verb kOps{.name = "ops",
                          .summary = "List computations that are run once, and read what they gave",
                          .examples =
                              "  cairn ops list\n"
                              "  cairn ops get features/imagenet > features.bin\n"
                              "  cairn ops rm features/imagenet\n",
                          .lines = false,
                          .declare = declare_ops};

}  // namespace cairn::cli
