// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/credentials.h"

#include "replication/s3/credential_sources.h"
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

constexpr std::chrono::minutes kRenewBefore{5};
constexpr std::chrono::seconds kAskAgainAfter{10};

bool expired(const Credentials& credentials, Time now) { return credentials.expires && *credentials.expires <= now; }

std::string expiry_of(const Credentials& credentials) {
  return "the credentials from " + credentials.source + " expired at " + readable_time(*credentials.expires);
}

}  // namespace

std::vector<CredentialSource> usual_sources(const Surroundings& surroundings) {
  return {[&surroundings] { return credentials_from_environment(surroundings); },
          [&surroundings] { return credentials_from_profile(surroundings); },
          [&surroundings] { return credentials_from_container(surroundings); },
          [&surroundings] { return credentials_from_instance(surroundings); }};
}

CredentialChain::CredentialChain(std::vector<CredentialSource> sources, std::function<Time()> now)
    : sources_(std::move(sources)), now_(std::move(now)) {}

std::optional<Credentials> CredentialChain::held(Time now) {
  const std::lock_guard guard(mutex_);
  if (!held_ || expired(*held_, now)) return std::nullopt;
  return held_;
}

Result<Credentials> CredentialChain::get() {
  const auto due = [this](Time now) {
    const std::lock_guard guard(mutex_);
    return now >= ask_after_;
  };
  Time now = now_();
  std::optional<Credentials> usable = held(now);
  if (usable && !due(now)) return *std::move(usable);

  std::unique_lock asking(asking_, std::defer_lock);
  if (usable) {
    if (!asking.try_lock()) return *std::move(usable);
  } else {
    asking.lock();
  }
  // Somebody else may have asked while this caller waited.
  now = now_();
  usable = held(now);
  if (usable && !due(now)) return *std::move(usable);

  Result<Credentials> fetched = fetch(now);
  const std::lock_guard guard(mutex_);
  if (fetched.ok()) {
    held_ = *fetched;
    ask_after_ = Time::max();
    if (held_->expires) ask_after_ = std::max(*held_->expires - kRenewBefore, now + kAskAgainAfter);
    return fetched;
  }
  if (usable) {
    ask_after_ = now + kAskAgainAfter;
    return *std::move(usable);
  }
  if (held_ && held_->expires)
    return std::move(fetched).error().with_context(expiry_of(*held_) + " and were not renewed");
  return fetched;
}

Result<Credentials> CredentialChain::fetch(Time now) {
  for (const CredentialSource& source : sources_) {
    CAIRN_TRY(std::optional<Credentials> found, source());
    if (!found) continue;
    if (expired(*found, now)) {
      return Error{.code = ErrorCode::invalid_argument, .message = expiry_of(*found), .retryable = true};
    }
    return *std::move(found);
  }
  return make_error(ErrorCode::invalid_argument,
                    "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in "
                    "~/.aws/credentials (AWS_PROFILE names which)");
}

void CredentialChain::forget(const std::string& key_id) {
  const std::lock_guard guard(mutex_);
  if (held_ && held_->key.id == key_id) held_.reset();
}

}  // namespace cairn::s3
