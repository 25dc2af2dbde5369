// SPDX-License-Identifier: Apache-2.0
//
// What keeping a mirror up to date needs of wherever it is, a bucket or a database: a push, and an end of it.
#pragma once

#include "replication/push_report.h"

namespace cairn::mirror {

// One store's way into one mirror. One thread at a time, but for stop().
class Remote {
 public:
  virtual ~Remote() = default;

  // Brings the mirror up to date. After a failure what was sent is there, and it may be repeated. What is known of the
  // mirror is remembered for the next one.
  virtual Result<PushReport> push(const PushProgress& progress) = 0;

  // Somebody else may write to the mirror from now on: what is known of it is forgotten, and nothing of it is held.
  virtual void forget() = 0;
  // There is nothing to push for now: what others may need meanwhile is given back.
  virtual void rest() {}

  // Any thread. Nobody waits any more: a call under way ends soon, and it and all later ones fail. For good.
  virtual void stop() = 0;
};

}  // namespace cairn::mirror
