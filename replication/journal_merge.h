// SPDX-License-Identifier: Apache-2.0
//
// Keeps a store's journals few: eight of one size become one of the next, so that a statement is put again once for
// each size, and a reader asks for some dozens whatever there was.
#pragma once

#include "replication/journal.h"

namespace cairn::mirror {

// Merges what is due, and removes what was merged now or before. `list` is what the bucket has; what could not be
// removed (a writer without the right to) is contained in what took its place, and ignored by everyone. Nothing is lost
// by a failure, but `list` may not be true any more then: somebody else may have merged.
Status merge_journals(ObjectStorage& storage, const Formats& formats, const Uuid& store, JournalList& list);

}  // namespace cairn::mirror
