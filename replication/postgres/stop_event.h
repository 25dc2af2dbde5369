// SPDX-License-Identifier: Apache-2.0
//
// Tells whoever waits for a server that nobody wants it any more, in a way that poll(2) sees.
#pragma once

#include <chrono>
#include <memory>

#include "cairn/result.h"

namespace cairn::postgres {

// Any thread. Once it is stopped it stays so.
class StopEvent {
 public:
  // resource_exhausted: the process may open no more files.
  static Result<std::unique_ptr<StopEvent>> create();
  ~StopEvent();
  StopEvent(const StopEvent&) = delete;
  StopEvent& operator=(const StopEvent&) = delete;

  void stop() noexcept;
  bool stopped() const noexcept { return !sleep(std::chrono::milliseconds(0)); }
  // False: it was stopped, before or while it slept.
  bool sleep(std::chrono::milliseconds time) const noexcept;

  // Readable once it is stopped.
  int descriptor() const noexcept { return descriptor_; }

 private:
  explicit StopEvent(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;
};

}  // namespace cairn::postgres
