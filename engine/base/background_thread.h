// SPDX-License-Identifier: Apache-2.0
//
// What a thread of Cairn's own is to the scheduler, so that it does not get in the way of the
// program that embeds it.
#pragma once

namespace cairn {

// Names the calling thread (at most 15 characters), adds `nice` to its priority's number, and
// makes it a batch thread: waking up is no reason to take the processor from another one.
// What the system refuses is left as it is.
void become_background_thread(const char* name, int nice);

}  // namespace cairn
