// SPDX-License-Identifier: Apache-2.0
//
// Code that ThreadSanitizer cannot judge.
#pragma once

#include "engine/base/sanitizers.h"

#if CAIRN_THREAD_SANITIZER
extern "C" {
// Of ThreadSanitizer's run-time library.
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace cairn {

// While one lives, ThreadSanitizer passes over what this thread reads and writes. For calls into
// a library that is not built with it: the library's atomics are unseen, so that its own
// hand-overs between threads look like races, and a report whose older stack is no longer in the
// history has no frame by which a suppression could know it. Mutexes are still followed. Nothing
// in other builds.
class Unobserved {
 public:
#if CAIRN_THREAD_SANITIZER
  Unobserved() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unobserved() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  Unobserved() {}
  ~Unobserved() {}
#endif
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;
};

}  // namespace cairn
