// SPDX-License-Identifier: Apache-2.0
#include "engine/base/background_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace cairn {

void become_background_thread(const char* name, int nice) {
  static_cast<void>(pthread_setname_np(pthread_self(), name));
  const sched_param none{};
  static_cast<void>(pthread_setschedparam(pthread_self(), SCHED_BATCH, &none));
  // Of this thread alone, as Linux has it.
  if (nice > 0) static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice));
}

}  // namespace cairn
