// SPDX-License-Identifier: Apache-2.0
#include "api/cli/result_transfer.h"

#include <fmt/format.h>

#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "api/cli/answers.h"
#include "api/cli/result_line.h"

namespace cairn::cli {
namespace {

// Of a line: the largest value in base64 with its names takes less, and text of which every other character is escaped.
constexpr std::size_t kLineBytesMax = std::size_t{128} << 20;
constexpr std::size_t kBatchLines = 1000;
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;
// Whether a value fits depends on what the store says about it, from here on: then it is a batch of its own.
constexpr std::size_t kSurelyFits = (std::size_t{1} << 20) - (std::size_t{4} << 10);

// Values are only copied, so it matters that a serializer has a name and not what it does.
Status know_serializer(Results& results, const std::string& name) {
  const Status status = results.register_serializer(name);
  return status.ok() || status.error().code == ErrorCode::already_exists ? Status() : status;
}

// A value with what is said about it, though somebody may put another meanwhile. Nothing when it is gone.
Result<std::optional<std::pair<ResultInfo, ResultValue>>> read_both(Results& results, ResultInfo info) {
  for (;;) {
    CAIRN_CHECK(know_serializer(results, info.serializer));
    CAIRN_TRY(auto value, results.get(info.key));
    CAIRN_TRY(auto after, results.info(info.key));
    if (!value || !after) return std::optional<std::pair<ResultInfo, ResultValue>>();
    if (after->version == info.version) return std::optional(std::pair(std::move(*after), std::move(*value)));
    info = std::move(*after);
  }
}

// Lines that are all right, until they are put.
class Batch {
 public:
  Batch(Store& store, InputFile& in) : store_(store), in_(in) {}

  bool has_room_for(const ResultLine& line) const {
    if (lines_.empty()) return true;
    const bool is_alone = line.bytes() > kSurelyFits || lines_.back().bytes() > kSurelyFits;
    return !is_alone && lines_.size() < kBatchLines && bytes_ + line.bytes() <= kBatchBytes;
  }
  void add(ResultLine line) {
    if (lines_.empty()) first_ = in_.line_number();
    bytes_ += line.bytes();
    lines_.push_back(std::move(line));
  }
  // Durable when it returns.
  Status put() {
    std::vector<Ticket> tickets;
    for (std::size_t at = 0; at < lines_.size();) {
      auto ticket = put_alike(at);
      if (!ticket.ok()) return of_lines(std::move(ticket).error());
      tickets.push_back(std::move(*ticket));
    }
    for (const Ticket& ticket : tickets) {
      if (Status status = ticket.committed().wait(); !status.ok()) return of_lines(std::move(status).error());
    }
    imported_ += std::exchange(lines_, {}).size();
    bytes_ = 0;
    return {};
  }
  std::uint64_t imported() const noexcept { return imported_; }

  Error of_line(Error error) const {
    return std::move(error).with_context(fmt::format("{}, line {}", in_.path(), in_.line_number()));
  }

 private:
  Error of_lines(Error error) const {
    return std::move(error).with_context(
        fmt::format("{}, the {} from line {} on", in_.path(), count_text(lines_.size(), "result", "results"), first_));
  }

  // Those from `at` on that have the same options and no key twice, in one write.
  Result<Ticket> put_alike(std::size_t& at) {
    const auto options_of = [](const ResultLine& line) {
      return std::tie(line.name_space, line.experiment, line.ttl, line.cost);
    };
    ResultLine& first = lines_[at];
    std::vector<std::pair<std::string, ResultValue>> values;
    std::set<std::string> keys;
    for (; at < lines_.size() && options_of(lines_[at]) == options_of(first); ++at) {
      if (!keys.insert(lines_[at].key).second) break;
      values.emplace_back(lines_[at].key, std::move(lines_[at].value));
    }
    return store_.results(first.name_space)
        .put_many_async(std::move(values), {.ttl = first.ttl, .experiment = first.experiment, .cost = first.cost});
  }

  Store& store_;
  InputFile& in_;
  std::vector<ResultLine> lines_;
  std::size_t bytes_ = 0;
  std::uint64_t first_ = 0, imported_ = 0;
};

Status import_lines(Store& store, InputFile& in, const std::string& name_space, Batch& batch) {
  Results results = store.results();
  std::string text;
  for (;;) {
    CAIRN_TRY(const bool is_there, in.line(text, kLineBytesMax));
    if (!is_there) return batch.put();
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto line = read_result_line(text);
    if (!line.ok()) return batch.of_line(std::move(line).error());
    if (Status status = know_serializer(results, line->value.serializer); !status.ok()) {
      return batch.of_line(std::move(status).error());
    }
    if (!name_space.empty()) line->name_space = name_space;
    if (!batch.has_room_for(*line)) CAIRN_CHECK(batch.put());
    batch.add(std::move(*line));
  }
}

}  // namespace

Result<std::uint64_t> export_results(Session& session, Store& store, const std::string& name_space,
                                     const std::string& glob, const TextOutput& output) {
  Results results = store.results(name_space);
  std::uint64_t count = 0;
  const auto fetch = [&](const std::string& cursor, std::size_t rows) { return results.list(cursor, rows, glob); };
  const auto visit = [&](const ResultInfo& info) -> Status {
    CAIRN_TRY(const auto both, read_both(results, info));
    // Nothing is left of one whose time has come meanwhile.
    if (!both || both->first.time_left == std::chrono::nanoseconds(0)) return {};
    ++count;
    return output(line_of(name_space, both->first, both->second));
  };
  CAIRN_CHECK(walk_pages(session, {}, &ResultPage::results, fetch, visit));
  return count;
}

Result<std::uint64_t> import_results(Store& store, InputFile& in, const std::string& name_space) {
  Batch batch(store, in);
  Status status = import_lines(store, in, name_space, batch);
  if (status.ok()) return batch.imported();
  Error error = std::move(status).error();
  if (batch.imported() > 0) {
    error.message += fmt::format(" ({} before it were imported)", count_text(batch.imported(), "result", "results"));
  }
  return error;
}

}  // namespace cairn::cli
