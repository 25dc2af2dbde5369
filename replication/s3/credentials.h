// SPDX-License-Identifier: Apache-2.0
//
// The credentials of this process, wherever they are, always ones that still hold.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cairn/result.h"
#include "replication/s3/sigv4.h"
#include "replication/s3/surroundings.h"

namespace cairn::s3 {

struct Credentials {
  AccessKey key;
  std::optional<Time> expires;  // nothing: they do not
  std::string source;           // for people: "the environment", "profile dev in /root/.aws/credentials"
};

// A place where credentials may be. Nothing: none are there. An error: they are meant to come from there and cannot,
// so that no other place is asked and nobody acts as somebody else by mistake.
using CredentialSource = std::function<Result<std::optional<Credentials>>()>;

// The places that AWS's own tools ask, in their order: the environment, the profile in ~/.aws, the container's
// endpoint, the machine's metadata service. `surroundings` is borrowed for as long as the sources are used.
std::vector<CredentialSource> usual_sources(const Surroundings& surroundings);

// Asks its sources in order, keeps what the first of them has, and asks again before it expires. Any thread.
class CredentialChain {
 public:
  CredentialChain(std::vector<CredentialSource> sources, std::function<Time()> now);
  CredentialChain(const CredentialChain&) = delete;
  CredentialChain& operator=(const CredentialChain&) = delete;

  // Credentials that have not expired. From 5 minutes before they do, one caller at a time asks for new ones, at most
  // every 10 s, while others go on with the old; once these have expired, all wait for that one. Blocks as long as the
  // sources do. Errors: no source has any; a source that failed, in its own words; what it has has expired, and when.
  Result<Credentials> get();

  // A server has called them expired or unknown: the next get() asks anew. Takes the key's id, since another caller may
  // have done so already.
  void forget(const std::string& key_id);

 private:
  std::optional<Credentials> held(Time now);
  Result<Credentials> fetch(Time now);

  const std::vector<CredentialSource> sources_;
  const std::function<Time()> now_;
  std::mutex asking_;  // held by the caller that asks
  std::mutex mutex_;   // what follows
  std::optional<Credentials> held_;
  Time ask_after_{};  // of credentials that still hold
};

}  // namespace cairn::s3
