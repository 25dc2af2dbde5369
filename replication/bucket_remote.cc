// SPDX-License-Identifier: Apache-2.0
#include "replication/bucket_remote.h"

#include <utility>

namespace cairn::mirror {

BucketRemote::BucketRemote(Source& source, ObjectStorage& storage, const Formats& formats, PushOptions options)
    : source_(source), storage_(storage), formats_(formats), options_(std::move(options)) {
  options_.progress = [this](const PushReport& so_far) { return progress_ ? progress_(so_far) : Status(); };
}

Result<PushReport> BucketRemote::push(const PushProgress& progress) {
  progress_ = progress;
  if (!pusher_) pusher_.emplace(source_, storage_, formats_, options_);
  return pusher_->push();
}

}  // namespace cairn::mirror
