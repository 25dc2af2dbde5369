// SPDX-License-Identifier: Apache-2.0
//
// cairn doctor: what this machine offers, and what is wrong.
#include <fmt/format.h>

#include <optional>

#include "api/cli/json_fields.h"
#include "api/cli/machine.h"
#include "api/cli/verb.h"
#include "cairn/environment.h"
#include "cairn/version.h"

namespace cairn::cli {
namespace {

// Less room than this in a store's folder is worth a word.
constexpr std::uint64_t kLittleSpace = std::uint64_t{1} << 30;

struct Findings {
  Machine machine;
  std::optional<StoreInfo> store;
  std::optional<Error> store_error;
  std::vector<std::string> problems;
};

Findings examine(Session& session) {
  const std::string& folder = session.flags().store;
  Findings findings{.machine = look_at_machine(folder.empty() ? "." : folder)};
  const Machine& machine = findings.machine;
  std::vector<std::string>& problems = findings.problems;
  if (!machine.io_uring.present) problems.push_back("io_uring: " + machine.io_uring.reason);
  if (!machine.direct_io.present) problems.push_back("O_DIRECT in " + machine.folder + ": " + machine.direct_io.reason);
  if (machine.space_available_bytes < kLittleSpace) {
    problems.push_back(fmt::format("only {} are free in {}", size_text(machine.space_available_bytes), machine.folder));
  }
  if (folder.empty()) return findings;
  const auto options = options_from_environment({.access = Access::read_only});
  Result<Store> store =
      options.ok() ? Store::open(folder, *options, session.progress()) : Result<Store>(options.error());
  session.clear_progress();
  if (!store.ok()) {
    problems.push_back(store.error().message);
    findings.store_error = std::move(store).error();
    return findings;
  }
  findings.store = store->info();
  const RecoveryReport& recovery = findings.store->recovery;
  if (recovery.index_rebuilt)
    problems.push_back("the index is missing or in doubt: 'cairn repair --index' rebuilds it");
  for (const std::string& damage : recovery.damage) problems.push_back("the log is damaged: " + damage);
  return findings;
}

Json to_json(const Feature& feature) {
  Json json = {{"present", feature.present}};
  if (!feature.present) json["reason"] = feature.reason;
  return json;
}

Json to_json(const Findings& findings) {
  const Machine& machine = findings.machine;
  Json json = {{"cairn", CAIRN_VERSION},
               {"kernel", machine.kernel},
               {"processors", machine.processors},
               {"memory_bytes", machine.memory_bytes},
               {"memory_lock_bytes", machine.memory_lock_bytes ? Json(*machine.memory_lock_bytes) : Json(nullptr)},
               {"avx2", machine.avx2},
               {"avx512", machine.avx512},
               {"io_uring", to_json(machine.io_uring)},
               {"folder", machine.folder},
               {"o_direct", to_json(machine.direct_io)},
               {"space_total_bytes", machine.space_total_bytes},
               {"space_available_bytes", machine.space_available_bytes},
               {"libraries", machine.libraries}};
  if (findings.store) {
    const StoreInfo& store = *findings.store;
    json["store"] = {{"store", store.path},
                     {"digest", digest_kind_name(store.digest)},
                     {"format_version", store.format_version},
                     {"block_bytes", store.block_bytes},
                     {"segment_bytes", store.segment_bytes},
                     {"recovery", cli::to_json(store.recovery)}};
  }
  json["problems"] = findings.problems;
  return json;
}

void print_findings(Output& out, const Findings& findings) {
  const Machine& machine = findings.machine;
  const auto yes_no = [](bool yes) { return std::string(yes ? "yes" : "no"); };
  Table table({{""}, {""}});
  table.add({"cairn", CAIRN_VERSION});
  table.add({"kernel", machine.kernel});
  table.add({"processors",
             fmt::format("{}, AVX2 {}, AVX-512 {}", machine.processors, yes_no(machine.avx2), yes_no(machine.avx512))});
  table.add({"memory", size_text(machine.memory_bytes)});
  table.add(
      {"memory locks", machine.memory_lock_bytes ? "up to " + size_text(*machine.memory_lock_bytes) : "without limit"});
  table.add({"io_uring", yes_no(machine.io_uring.present)});
  table.add({"folder", out.name(machine.folder)});
  table.add({"  O_DIRECT", yes_no(machine.direct_io.present)});
  table.add({"  free space",
             fmt::format("{} of {}", size_text(machine.space_available_bytes), size_text(machine.space_total_bytes))});
  for (const auto& [name, file] : machine.libraries) table.add({name, out.name(file)});
  if (findings.store) {
    const StoreInfo& store = *findings.store;
    table.add({"store", out.name(store.path)});
    table.add({"  format", fmt::format("version {}, {}, blocks of {}, log files of {}", store.format_version,
                                       digest_kind_name(store.digest), size_text(store.block_bytes),
                                       size_text(store.segment_bytes))});
    table.add({"  opened",
               store.recovery.records_replayed == 0
                   ? "the index is up to date"
                   : "replayed " + count_text(store.recovery.records_replayed, "record", "records") + " of the log"});
    if (store.recovery.torn_bytes > 0) {
      table.add(
          {"  torn", count_text(store.recovery.torn_bytes) + " bytes at the log's end: a write that never finished"});
    }
  }
  out.table(table);
  out.text(findings.problems.empty() ? "\nNo problems found.\n" : "\n");
  for (const std::string& problem : findings.problems) out.text("problem: " + printable(problem) + "\n");
}

Result<int> run_doctor(Session& session) {
  Findings findings = examine(session);
  if (session.out().json()) {
    session.out().document(to_json(findings));
  } else {
    print_findings(session.out(), findings);
  }
  if (findings.store_error) return *std::move(findings.store_error);
  if (findings.store && !findings.store->recovery.damage.empty()) return kExitDamage;
  return kExitDone;
}

Run declare_doctor(VerbOptions&) { return run_doctor; }

}  // namespace

constinit const Verb kDoctor{.name = "doctor",
                             .summary = "What this machine offers, the store's state, and what is wrong",
                             .examples =
                                 "  cairn doctor\n"
                                 "  cairn --store /data/models doctor\n",
                             .lines = false,
                             .declare = declare_doctor};

}  // namespace cairn::cli
