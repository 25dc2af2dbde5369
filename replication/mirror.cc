// SPDX-License-Identifier: Apache-2.0
#include "replication/mirror.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "replication/errors.h"

namespace cairn::mirror {
namespace {

// More is not remembered: of two neighbours the older time counts for both.
constexpr std::size_t kSeenMax = 256;

void add(PushReport& sum, const PushReport& more) {
  sum.statements += more.statements;
  sum.packs += more.packs;
  sum.records += more.records;
  sum.content_bytes += more.content_bytes;
  sum.rows += more.rows;
  sum.sent_bytes += more.sent_bytes;
  sum.requests += more.requests;
}

}  // namespace

Mirror::Mirror(Source& source, Remote& remote, MirrorOptions options)
    : source_(source), remote_(remote), options_(std::move(options)) {}

Status Mirror::start() {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    return make_error(ErrorCode::resource_exhausted, "mirroring: the system starts no more threads");
  }
  return {};
}

void Mirror::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  remote_.stop();
  const std::lock_guard one(stopping_one_);
  if (thread_.joinable()) thread_.join();
}

void Mirror::pause() {
  Lock lock(mutex_);
  ++pauses_;
  renew_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !pushing_; });
  // Now, and not when it goes on: whoever pauses it is about to push.
  remote_.forget();
}

void Mirror::resume() {
  {
    const std::lock_guard lock(mutex_);
    if (pauses_ > 0) --pauses_;
  }
  changed_.notify_all();
}

MirrorStats Mirror::stats() const {
  const std::lock_guard lock(mutex_);
  MirrorStats stats = stats_;
  const Clock::time_point now = Clock::now();
  if (!behind_.empty()) {
    stats.lag_bytes = behind_.back().bytes - mirrored_.bytes;
    stats.lag_records = behind_.back().records - mirrored_.records;
    stats.lag = now - behind_.front().since;
  }
  add(stats.sent, so_far_);
  if (error_) {
    stats.error = error_->message;
    stats.retry_in = std::max(Clock::duration::zero(), next_try_ - now);
  }
  stats.state = stopping_         ? MirrorState::stopped
                : pauses_ > 0     ? MirrorState::paused
                : pushing_        ? MirrorState::pushing
                : error_          ? MirrorState::failing
                : !begun_         ? MirrorState::starting
                : behind_.empty() ? MirrorState::current
                                  : MirrorState::waiting;
  return stats;
}

Status Mirror::wait_until(const Cursor& at, std::chrono::nanoseconds time) {
  Lock lock(mutex_);
  const auto mirrored = [&] { return begun_ && mirrored_.at >= at; };
  const auto hopeless = [&] { return error_ && !error_->retryable; };
  // A failure of before says nothing of now: whoever waits has it tried at once.
  const std::uint64_t turn = turn_;
  next_try_ = std::min(next_try_, Clock::now());
  tries_again_ = !stats_.sent.left_out.empty();
  wanted_.push_back(at);
  changed_.notify_all();
  const auto tried = [&] { return turn_ > turn; };
  const auto done = [&] {
    return stopping_ || (mirrored() && (stats_.sent.left_out.empty() || tried())) || (hopeless() && tried());
  };
  const auto end = time >= Clock::time_point::max() - Clock::now() ? Clock::time_point::max() : Clock::now() + time;
  changed_.wait_until(lock, end, done);
  wanted_.erase(std::ranges::find(wanted_, at));
  if (mirrored()) {
    const auto& left_out = stats_.sent.left_out;
    if (left_out.empty()) return {};
    return make_error(ErrorCode::corruption, "of what is mirrored, " + std::to_string(left_out.size()) +
                                                 " could not be read here, or has no place there: " + left_out.front());
  }
  if (stopping_) return make_error(ErrorCode::cancelled, "mirroring was stopped");
  if (error_) return *error_;
  Error late = make_error(ErrorCode::cancelled, "not mirrored yet");
  late.retryable = true;
  return late;
}

void Mirror::run() {
  if (options_.on_thread) options_.on_thread();
  Lock lock(mutex_);
  while (!stopping_) {
    look(lock);
    const auto may_push = [&] { return pauses_ == 0 && is_due(Clock::now()); };
    if (!stopping_ && may_push()) {
      push(lock);
    } else {
      rest_if_due();
      changed_.wait_for(lock, options_.interval, [&] { return stopping_ || may_push(); });
    }
  }
  remote_.forget();
}

void Mirror::rest_if_due() {
  if (resting_ || Clock::now() < rest_at_) return;
  remote_.rest();
  resting_ = true;
}

void Mirror::look(Lock& lock) {
  looked_ = Clock::now();
  const Seen last = behind_.empty() ? mirrored_ : behind_.back();
  lock.unlock();
  const auto head = source_.head();
  const bool is_more = head.ok() && head->at > last.at;
  const std::uint64_t bytes = is_more ? source_.bytes_between(last.at, head->at) : 0;
  lock.lock();
  if (!head.ok() && !pushing_ && Clock::now() >= next_try_) note_failure(head.error());
  if (!is_more) return;
  if (behind_.size() >= kSeenMax) {
    std::deque<Seen> fewer;
    for (std::size_t i = 0; i + 1 < behind_.size(); i += 2) {
      fewer.push_back(behind_[i + 1]);
      fewer.back().since = behind_[i].since;
    }
    if (behind_.size() % 2 == 1) fewer.push_back(behind_.back());
    behind_ = std::move(fewer);
  }
  behind_.push_back({.at = head->at, .records = head->records, .bytes = last.bytes + bytes, .since = Clock::now()});
}

bool Mirror::is_wanted() const {
  return std::ranges::any_of(wanted_, [&](const Cursor& at) { return !begun_ || at > mirrored_.at; });
}

bool Mirror::is_due(Clock::time_point now) const {
  if (now < next_try_) return false;
  // What the mirror has is to be known, and whatever failed is tried until it succeeds.
  if (!begun_ || error_ || renew_ || tries_again_ || is_wanted()) return true;
  if (behind_.empty()) return false;
  return now - behind_.front().since >= options_.linger ||
         behind_.back().bytes - mirrored_.bytes >= options_.linger_bytes;
}

void Mirror::push(Lock& lock) {
  pushing_ = true;
  tries_again_ = renew_ = false;
  lock.unlock();
  auto report = remote_.push([this](const PushReport& so_far) { return go_on(so_far); });
  lock.lock();
  pushing_ = resting_ = false;
  rest_at_ = Clock::now() + options_.rest_after;
  ++turn_;
  add(stats_.sent, report.ok() ? *report : so_far_);
  so_far_ = {};
  if (report.ok()) {
    stats_.sent.to = report->to;
    stats_.sent.left_out = std::move(report->left_out);
    ++stats_.pushes;
    begun_ = true;
    error_.reset();
    before_failing_ = 0;
    note_mirrored(report->to);
  } else if (!stopping_ && pauses_ == 0) {
    note_failure(report.error());
  }
  changed_.notify_all();
}

void Mirror::note_mirrored(const Cursor& to) {
  mirrored_.at = std::max(mirrored_.at, to);
  while (!behind_.empty() && behind_.front().at <= to) {
    const Seen seen = behind_.front();
    behind_.pop_front();
    mirrored_.records = seen.records;
    mirrored_.bytes = seen.bytes;
  }
}

void Mirror::note_failure(const Error& error) {
  ++stats_.failures;
  error_ = error;
  const auto doubled = options_.retry_first * (std::int64_t{1} << std::min<std::uint64_t>(before_failing_, 30));
  ++before_failing_;
  const auto longest = error.retryable ? std::min(doubled, options_.retry_max) : options_.retry_max;
  const auto half = std::chrono::duration_cast<std::chrono::nanoseconds>(longest) / 2;
  const double drawn = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
  next_try_ = Clock::now() + half + std::chrono::nanoseconds(static_cast<std::int64_t>(drawn * half.count()));
}

// Between requests of a push.
Status Mirror::go_on(const PushReport& so_far) {
  Lock lock(mutex_);
  so_far_ = so_far;
  so_far_.left_out.clear();
  if (Clock::now() - looked_ >= options_.interval) look(lock);
  if (!stopping_ && pauses_ == 0) return {};
  return make_error(ErrorCode::cancelled, stopping_ ? "mirroring was stopped" : "mirroring was paused");
}

}  // namespace cairn::mirror
