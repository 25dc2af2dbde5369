// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_remote.h"

#include <algorithm>
#include <utility>

namespace cairn {
namespace {

// What a slow line is given in one transaction: about so many seconds of it.
constexpr std::uint64_t kSecondsPerBatch = 4;
constexpr std::uint64_t kBatchBytesMin = 1 * MiB;
// Of a row at a rate near 0; what is behind it waits for no longer.
constexpr double kSecondsMax = 1e6;

mirror::PushReport report_of(const PostgresPushReport& report) {
  mirror::PushReport out;
  out.statements = report.statements;
  out.rows = report.rows;
  out.sent_bytes = report.bytes;
  out.requests = report.batches;
  out.left_out = report.left_out;
  out.to = report.to;
  return out;
}

}  // namespace

PostgresRemote::PostgresRemote(mirror::Source& source, StoreImpl& store, postgres::Address address,
                               postgres::StopEvent& stop, std::uint64_t bytes_per_second)
    : source_(source), rows_(store), address_(std::move(address)), stop_(stop), bytes_per_second_(bytes_per_second) {
  options_.stop = &stop;
  options_.clock.sleep = [&stop](std::chrono::milliseconds time) { return stop.sleep(time); };
  options_.progress = [this](const PostgresPushReport& so_far) { return go_on(so_far); };
  if (bytes_per_second > 0) {
    const std::uint64_t usual = options_.batch_bytes;
    const std::uint64_t rate = std::min(bytes_per_second, usual);
    options_.batch_bytes = std::clamp(rate * kSecondsPerBatch, kBatchBytesMin, usual);
  }
}

Result<mirror::PushReport> PostgresRemote::push(const mirror::PushProgress& progress) {
  progress_ = progress;
  paid_bytes_ = 0;
  if (!pusher_) pusher_.emplace(source_, rows_, address_, options_);
  CAIRN_TRY(const PostgresPushReport report, pusher_->push());
  return report_of(report);
}

Status PostgresRemote::go_on(const PostgresPushReport& so_far) {
  if (progress_) CAIRN_CHECK(progress_(report_of(so_far)));
  pay(so_far.bytes - std::exchange(paid_bytes_, so_far.bytes));
  return {};
}

void PostgresRemote::pay(std::uint64_t bytes) {
  if (bytes_per_second_ == 0 || bytes == 0) return;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
  const auto price = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(std::min(seconds, kSecondsMax)));
  const auto now = std::chrono::steady_clock::now();
  paid_ = std::max(paid_, now) + price;
  // Whether it is stopped meanwhile, the next call of the connection finds.
  static_cast<void>(stop_.sleep(std::chrono::ceil<std::chrono::milliseconds>(paid_ - now)));
}

}  // namespace cairn
#endif
