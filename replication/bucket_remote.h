// SPDX-License-Identifier: Apache-2.0
//
// A bucket as what a mirror is pushed to again and again.
#pragma once

#include <optional>

#include "replication/push.h"
#include "replication/remote.h"

namespace cairn::mirror {

class BucketRemote final : public Remote {
 public:
  // Borrows all but the options, whose progress is not used.
  BucketRemote(Source& source, ObjectStorage& storage, const Formats& formats, PushOptions options);

  Result<PushReport> push(const PushProgress& progress) override;
  void forget() override { pusher_.reset(); }
  void stop() override { storage_.stop(); }

 private:
  Source& source_;
  ObjectStorage& storage_;
  const Formats& formats_;
  PushOptions options_;
  PushProgress progress_;  // of the push under way
  std::optional<Pusher> pusher_;
};

}  // namespace cairn::mirror
