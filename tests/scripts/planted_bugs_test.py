#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tests catch the bugs they are there for.

Plants bugs one at a time in a copy of the sources (a sync that is skipped, an order that is
swapped, a checksum that nobody compares), builds, and demands that a test fails. A bug that
survives is a test that is missing.

CAIRN_TEST_SCALE=long plants every sixth bug of the table, beginning with that of
CAIRN_TEST_SEED (default: the number of commits, so that six in a row have all of them);
otherwise one, so that this script is known to work. The texts of all are looked for in any
case. The copy and its build stay in the build folder, where the next run finds them. Names of
bugs as arguments plant only those; `all` every one, as `./dev soak` does.
"""

import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

SOURCE = pathlib.Path(os.environ.get("CAIRN_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
COPIED = ["CMakeLists.txt", "CMakePresets.json", "cmake", "api", "engine", "replication", "tests"]
SHARE = 6  # of the table: every which of them a long run plants
RUNS = 3  # of a bug's tests, until one fails
# What a bug leaves without a use is no error.
UNUSED = "".join(f'#pragma GCC diagnostic ignored "-W{what}"\n' for what in (
    "unused-variable", "unused-parameter", "unused-but-set-variable", "unused-but-set-parameter", "unused-function",
    "unused-value", "maybe-uninitialized"))
PATIENCE_S = 120  # of a test program that a bug may have made hang


class Bug(NamedTuple):
    name: str
    file: str
    text: str  # found exactly once in the file
    planted: str
    program: str
    filter: str


WRITER = "engine/log/log_writer.cc"
SCAN = "engine/log/segment_scan.cc"
REPLAY = "engine/read/replay.cc"
SINK = "engine/write/block_sink.cc"
READER = "engine/read/block_reader.cc"
ASYNC = "engine/write/async_writer.cc"
QUEUE = "engine/write/put_queue.cc"
ADMISSION = "engine/write/put_admission.cc"
STAGING = "engine/write/put_staging.cc"
RECLAIM = "engine/reclaim/reclaimer.cc"
COPY = "engine/reclaim/segment_copy.cc"
COUNTS = "engine/index/reference_counts.cc"
CLONER = "engine/clone/cloner.cc"
ROOM = "engine/log/disk_room.cc"
ENTRIES = "engine/results/log_entry_store.cc"
PUSH = "replication/push.cc"
MERGE = "replication/journal_merge.cc"
CAME = "api/src/mirror_destination.cc"
RUNNING = "replication/mirror.cc"
MIRROR_GC = "replication/gc.cc"

BUGS = [
    Bug("a sealed segment is opened again for a husk behind it", REPLAY,
        "    if (!complete || sealed) {", "    if (!complete) {", "test_faults", "ReplayTest.*Husk*"),
    Bug("a guard lists tables that were not synced", "engine/index/rocksdb_index.cc",
        "table_ ? failures_(file_->sync()) : IOStatus::OK()", "IOStatus::OK()", "test_index", "IndexCrash.*"),
    Bug("a guard lists a MANIFEST that was not synced", "engine/index/guarded_folder.cc",
        "CAIRN_CHECK(file->sync());", "static_cast<void>(file);", "test_index", "IndexCrash.*"),
    Bug("puts take the reserve", WRITER,
        "no_space && gives_back_ && options_.room", "no_space && options_.room", "test_faults", "ReserveTest.*"),
    Bug("what the reserve made room for is for puts", ROOM,
        "  if (!given_up_ && !beyond_budget_) return {};\n", "  if (!beyond_budget_) return {};\n",
        "test_faults", "ReserveTest.PutsDo*"),
    Bug("a step copies on while room is short", RECLAIM,
        "      if (!emptied_.empty() && parts_.log.room() != nullptr && parts_.log.room()->is_tight()) return true;\n", "",
        "test_faults", "ReserveTest.*"),
    Bug("the budget does not count the segment to come", ROOM,
        "use_ + more <= options_.budget_bytes", "use_ <= options_.budget_bytes", "test_store", "DiskBudgetTest.*"),
    Bug("what is written again has the sequence of what it replaces", SINK,
        ".key = digest,\n                               .payload = payload});",
        ".key = digest,\n                               .payload = payload,\n                               .carried = 1});",
        "test_store", "OptimizeTest.What*"),
    Bug("a quarantined block is known", SINK,
        "  CAIRN_TRY(const bool good, is_good(block.digest, committed));", "  const bool good = committed.has_value();",
        "test_store", "*HealSweepTest.*"),
    Bug("a quarantined object is known", SINK,
        "  if (known && !known->quarantined) return false;\n", "  if (known) return false;\n",
        "test_store", "*HealSweepTest.*"),
    Bug("an index is put one pack too early", PUSH,
        "taken_ < index_ends_.front()", "taken_ + 1 < index_ends_.front()", "test_store", "Mirror*Test.*"),
    Bug("a put that was answered with an error is done", "replication/s3/client.cc",
        ".idempotent = !if_absent,\n                         .read = check_put});", ".idempotent = !if_absent});",
        "test_replication", "ClientTest.APutThatIs*"),
    Bug("bodies are not signed where there is no TLS", "replication/s3/bucket_requests.cc",
        "  if (!place.endpoint.tls && sign_payload_without_tls_) {", "  if (false) {",
        "test_replication", "WireFaultTest.AFlipped*"),
    Bug("a journal is put before the index of what it needs", PUSH,
        "      CAIRN_CHECK(put_index());\n", "", "test_store", "Mirror*Test.*"),
    Bug("what is committed is said to be mirrored before it is", RUNNING,
        "return begun_ && mirrored_.at >= at;", "return begun_;", "test_store", "MirroringTest.*"),
    Bug("what was left out is said to be mirrored", RUNNING,
        "if (left_out.empty()) return {};", "return {};", "test_store", "MirroringTest.*"),
    Bug("after a pause a mirror takes the bucket for what it was", RUNNING,
        "whoever pauses it is about to push.\n  remote_.forget();", "whoever pauses it is about to push.", "test_store",
        "MirroringTest.*"),
    Bug("names that the cut end of a file had are not written again", "api/src/store_damage.cc",
        "if (scrubbed.known_statements) lost_.known[segment] = *std::move(scrubbed.known_statements);", "", "test_store",
        "HealTest.NamesThat*"),
    Bug("what a mirror does not have is asked for each time", "api/src/read_through.cc",
        "if (now_() - looked_ < kLookAgain || (", "if ((", "test_store", "ReadThroughTest.*"),
    Bug("a block that came from a mirror is taken for what it is called", CAME,
        "  if (actual == block.id.digest) return {};", "  if (actual == block.id.digest || true) return {};",
        "test_store", "MirrorFaultTest.*"),
    Bug("what was digested when it came is taken for what it is called", CAME,
        "if (begun && begun->all) return begun->digester.finish();", "if (begun && begun->all) return id;", "test_store",
        "MirrorFaultTest.*"),
    Bug("what has bytes of another file before its own is read from the middle", CAME,
        "reader.digest(pieces_behind(pieces, begun->bytes), ", "reader.digest(pieces_behind(pieces, 0), ", "test_store",
        "HalfArrivedTest.*"),
    Bug("a blob that came from a mirror is taken for what it is called", CAME,
        "  if (actual == id) return {};", "  if (actual == id || true) return {};", "test_store", "MirrorFaultTest.*"),
    Bug("what was left out is never tried again", PUSH,
        "  CAIRN_TRY(left_out_, read_left_out(storage_, formats_, uuid));\n", "", "test_store", "MirrorTest.WhatWas*"),
    Bug("a push does not look again at what is outgoing", PUSH,
        "    if (unchanged) return {};\n", "    return {};\n", "test_store", "MirrorGcBesideTest.APusher*"),
    Bug("copies in a circle are taken for lost", "replication/live_content.cc",
        "return std::ranges::all_of(copy.record->bases,", "return copy.record->bases.empty() && std::ranges::all_of(copy.record->bases,",
        "test_store", "LiveContentTest.*"),
    Bug("a push relies on what is outgoing", PUSH,
        "PackIndex::Wanted::counting", "PackIndex::Wanted::all", "test_store", "MirrorGc*Test.*"),
    Bug("what was noted is put again under its name", PUSH,
        "filled->finish(pusher_.formats_, salt);", "filled->finish(pusher_.formats_);", "test_store", "MirrorGcBesideTest.WhatWasNoted*"),
    Bug("what was put in the faith of what is noted is not followed", MIRROR_GC,
        "return !outgoing_.notes.empty() || !is_old(read.modified);", "return !is_old(read.modified);",
        "test_store", "MirrorGcBesideTest.*Faith*"),
    Bug("a pack is removed while an index has it", MIRROR_GC,
        "in_use.contains(key); });\n      });", "false; });\n      });", "test_store", "MirrorGcTest.APack*"),
    Bug("a mirror is reclaimed without the grace", MIRROR_GC,
        "return now_ && modified && *now_ - *modified > options_.grace;", "return true;", "test_store", "MirrorGcTest.*"),
    Bug("two who reclaim a mirror do not see each other", MIRROR_GC,
        "    if (!unchanged) return beside_another();\n", "", "test_store", "MirrorGcBesideTest.AGcThat*"),
    Bug("what relies on something lost counts as there", MIRROR_GC,
        "live.at(record.id).whole ? whole : incomplete", "whole", "test_store", "MirrorGcTest.WhatIsDamaged*"),
    Bug("what is damaged in a mirror is copied", "replication/live_content.cc",
        "      if (!formats_.matches_checksum(content)) {", "      if (false) {", "test_store",
        "MirrorGcTest.WhatIsDamaged*"),
    Bug("what the log forgot was removed stays in the mirror", PUSH,
        "      if (changes.has_gap) CAIRN_CHECK(add_forgotten_removals(statements));\n", "",
        "test_store", "MirrorTest.WhatIsRemoved*"),
    Bug("journals are merged across one that is lost", MERGE,
        "      if (tail > 0 && at->to < std::prev(at)->from) break;\n", "", "test_replication", "MirrorBytesTest.*"),
    Bug("merging forgets what was removed", MERGE,
        "keys.front().from != Cursor{}", "false", "test_replication", "MirrorBytesTest.*"),
    Bug("an unchanged file hides damage", "api/src/archive_add.cc",
        "if (!whole) return false;", "static_cast<void>(whole);", "test_store", "HealTest.AFile*"),
    Bug("parts of a damaged object are taken back though they were never counted", COUNTS,
        "const bool same_parts = was_there && !before.uncounted &&", "const bool same_parts = was_there &&",
        "test_store", "*Heal*"),
    Bug("the scrub begins with the first segment each time", "api/src/store_damage.cc",
        "std::max(batch.checked->second.number, check.number + 1)", "std::max(batch.checked->second.number, check.number)",
        "test_store", "HealTest.TheScrubVerifies*"),
    Bug("what looks dead is forgotten though parts are not known", "api/src/store_impl.cc",
        "if (!whole) incomplete.push_back(dead);", "static_cast<void>(whole), incomplete.push_back(dead);", "test_store", "*HealSweepTest.*"),
    Bug("a segment is removed before the index is durable", RECLAIM,
        "  CAIRN_CHECK(parts_.index.checkpoint());\n", "", "test_faults", "GcFaultTest.ACut*"),
    Bug("what was carried into a segment is not looked for there", RECLAIM,
        "    if (parts_.log.has_unreported()) CAIRN_CHECK(commit(false));\n", "", "test_faults", "GcModelTest.*"),
    Bug("a removed ref is forgotten while an older segment has it", COPY,
        "ref->removed ? !place && !lowest_ : place == here", "!ref->removed && place == here",
        "test_store", "GcTombstonesTest.WhatWasRemoved*/version"),
    Bug("a removed ref comes after the one that was written again", COPY,
        "ref->removed ? !place && !lowest_ : place == here", "ref->removed ? !lowest_ : place == here",
        "test_store", "GcTombstonesTest.WhatIsNamedAgain*/version"),
    Bug("a removed root is forgotten while an older segment has it", COPY,
        "if (place || lowest_) continue;", "continue;", "test_store", "GcTombstonesTest.WhatWasRemoved*/value"),
    Bug("a removed root comes after the one that was put again", COPY,
        "if (place || lowest_) continue;", "if (lowest_) continue;", "test_store",
        "GcTombstonesTest.WhatIsNamedAgain*/value"),
    Bug("a removed entry is forgotten while an older segment has it", COPY,
        "entry.removed ? !current && !lowest_", "entry.removed ? false", "test_store",
        "GcTombstonesTest.WhatWasRemoved*/entry"),
    Bug("a removed entry comes after the one that was written again", COPY,
        "entry.removed ? !current && !lowest_", "entry.removed ? !lowest_", "test_store",
        "GcTombstonesTest.WhatIsNamedAgain*/entry"),
    Bug("an entry is found under the index keys that it had before", "engine/index/entry_changes.cc",
        "    for (const std::string& index_key : old.index_keys) values_[index_key_key(index_key, entry.key)].reset();\n", "",
        "test_store", "EntriesTest.IndexKeys*"),
    Bug("content that an entry keeps is not counted", COUNTS,
        "  for (const Reference& reference : entry.references) change(reference.kind, reference.id, 1);\n", "",
        "test_store", "EntriesTest.WhatAnEntry*"),
    Bug("a write does not look at the version that it relies on", ENTRIES,
        "if (version == *change.if_version) continue;", "continue;", "test_store", "EntriesTest.OfTwo*"),
    Bug("versions begin anew with each opening", ENTRIES,
        "std::max(parts_.index.next_sequence(), std::uint64_t{1}) << kVersionBits", "std::uint64_t{1} << kVersionBits",
        "test_store", "EntriesTest.Versions*"),
    Bug("what was not written is read all the same", ENTRIES,
        "  for (const StoredEntry& stored : write.entries) pending_.erase(stored.key);\n",
        "  static_cast<void>(write);\n", "test_store",
        "EntriesTest.AfterAFailure*"),
    Bug("an entry is told to be synced before it is", ENTRIES,
        "  write.ticket->reach(TicketState::kStaged);\n",
        "  write.ticket->reach(TicketState::kStaged);\n  write.ticket->reach(TicketState::kSynced);\n", "test_faults",
        "EntryFaultTest.APowerCut*"),
    Bug("what was read before a change is kept after it", "engine/results/entry_cache.cc",
        "shard.changes == ticket && ", "ticket != UINT64_MAX && ", "test_results", "EntryCacheTest.WhatWasRead*"),
    Bug("a scan pushes out what is read again and again", "engine/results/entry_cache.cc",
        "  if (oldest.uses > 0) {\n    oldest.uses = 0;", "  if (oldest.uses > 100) {\n    oldest.uses = 0;", "test_results",
        "EntryCacheTest.AScan*"),
    Bug("a result is read after its time", "engine/results/result_table.cc",
        "expires != 0 && expires <= entries_.store_time_ns()", "expires != 0 && expires == 1", "test_results",
        "ResultTableTest.AValue*"),
    Bug("the store's time begins anew with each opening", "engine/results/store_time.cc",
        "    base_ns_ = known->store_time_ns;\n", "", "test_results", "StoreTimeTest.*"),
    Bug("dead objects are known though their parts are gone", RECLAIM,
        "  CAIRN_CHECK(forget_dead_objects());\n", "", "test_store", "GcDeadObjectsTest.*"),
    Bug("what is written in part is not held", "api/src/gc_run.cc",
        "writer ? writer->held() :", "false && writer ? writer->held() :", "test_store", "GcHeldTest.*"),
    Bug("the bases of a delta block are not counted", COUNTS,
        "  if (!has_parts(object.at)) return {};\n", "  if (object.at.kind == RecordKind::block) return {};\n",
        "test_index", "DeltaCountsTest.*"),
    Bug("a dead delta block is known until its segment goes", COUNTS,
        "  if (!has_parts(object.at)) return;\n", "  if (object.at.kind == RecordKind::block) return;\n",
        "test_index", "DeltaCountsTest.*"),
    Bug("what relies on a damaged base is known", SINK,
        "return is_sound(index_, stored_, block, *known);",
        "return is_sound(index_, stored_, block, *known).ok();", "test_store",
        "DeltaDamageTest.WhatReliesOn*"),
    Bug("a damaged base is not told from what relies on it", READER,
        "    auto verified = decode_verified(base);", "    auto verified = decode(base);", "test_store",
        "DeltaDamageTest.WhoeverReads*"),
    Bug("a block may rely on one that relies on it", "api/src/delta_graph.cc",
        "above + 1 + below > kDepthMax || reaches", "above + below > 100 && !reaches", "test_store",
        "DeltaBlocksTest.Chains*"),
    Bug("what relies on a missing base is known", SINK,
        "  if (!has_parts(*known)) return true;\n", "  if (!has_parts(*known) || index_.quarantined() == 0) return true;\n",
        "test_store", "DeltaBlocksTest.WhatReliesOnALostBase*"),
    Bug("a keyframe is given up when the next save comes", "api/src/keyframes.cc",
        "return chosen || graph_.all", "return graph_.all", "test_store", "KeyframesTest.*"),
    Bug("what becomes whole is looked at behind what is to rely on it", "api/src/store_optimize.cc",
        "stages[of == Fate::whole ? 0 : kUnchanged]", "stages[kUnchanged]", "test_store",
        "DeltaDamageTest.WhatReliesOnADamagedBaseIsWrittenAgain:SimilarNamesTest.*:DeltaBlocksTest.*Newest*"),
    Bug("a block with three bases may be read with any number of others", "api/src/delta_graph.cc",
        "return sum <= kChainBlocksMax && dependants_fit(block, {block, sum}, kDepthMax);", "return true;",
        "test_store", "DeltaPredictedTest.NoBlock*"),
    Bug("what heals is the difference from another", SINK,
        "  if (at) return false;\n"
        "  CAIRN_TRY(const std::uint64_t references, index_.references(RecordKind::block, block.digest));\n"
        "  return references == 0;\n", "  return at.has_value() || true;\n", "test_store", "AddBaseTest.WhatHeals*"),
    Bug("optimize does not hear of what is added meanwhile", "api/src/delta_news.h",
        "if (listening_) edges_", "if (!listening_) edges_", "test_store", "AddBaseTest.OptimizeHears*"),
    Bug("a new version of its base makes a fine-tune's chain longer", "api/src/delta_direction.cc",
        "      kept_.insert(from->begin(), from->end());\n", "", "test_store", "AddBaseTest.OptimizeLeaves*"),
    Bug("a delta object does not keep its base", "engine/format/references.cc",
        "references.push_back({RecordKind::tensor, delta.kind == DeltaKind::whole ? delta.target : delta.base});",
        "if (delta.kind == DeltaKind::whole) references.push_back({RecordKind::tensor, delta.target});",
        "test_delta", "DeltasTest.TheBaseStays*"),
    Bug("what a delta object gives is not compared with its id", "api/src/deltas_load.cc",
        "  if (actual == expected) return {};\n", "  if (actual != Digest{}) return {};\n",
        "test_delta", "HostileManifestTest.*"),
    Bug("a delta object is applied to any base", "api/src/deltas_load.cc",
        "actual != found.manifest.base || !fits", "!fits", "test_delta", "DeltasTest.AnotherBase*"),
    Bug("what lies outside the bound of a lossy delta is no exception", "engine/delta/lossy.cc",
        "return errors_[i] > (limit", "return errors_[i] / 4 > (limit", "test_delta", "LossyKinds.EveryElement*"),
    Bug("a removed root still counts", COUNTS,
        "    change(root.kind, root.id, -1);\n", "", "test_store", "GcTest.WhatIsRemoved*"),
    Bug("a part that dies keeps its own parts", COUNTS,
        "return change_parts(record, live ? 1 : -1);", "return live ? change_parts(record, 1) : Status();",
        "test_store", "GcTest.WhatIsRemoved*"),
    Bug("a reclaimed segment counts as lost", REPLAY,
        "if (reclaimed && reclaimed->contains(expected)) continue;", "", "test_store", "GcTest.WhatIsRemoved*"),
    Bug("a segment whose table the device does not read is removed", COPY,
        "  if (!found.unreadable.empty()) return give_up(found.unreadable);\n", "", "test_store",
        "BadSectorTest.Reclaiming*"),
    Bug("a bad sector in a record ends a run", COPY,
        "payload.error().code != ErrorCode::corruption && payload.error().code != ErrorCode::io",
        "payload.error().code != ErrorCode::corruption", "test_store", "BadSectorTest.Reclaiming*"),
    Bug("a device's moment is a bad sector", "engine/io/read_twice.h",
        "  return read();\n", "  return first;\n", "test_store", "BadSectorTest.Once*"),
    Bug("what is behind the groups is damage when the table is", REPLAY,
        "if (sealed) options.to = *groups_end;", "", "test_store", "DamagedTableTest.*"),
    Bug("a clone is made of two moments", CLONER,
        "return is_same(before, read_guard(fs_, from_.index)) && ", "return is_same(before, before) && ", "test_store", "CloneTest.AMoment*"),
    Bug("a reclaimed segment stays in a clone", CLONER,
        "const bool is_there = std::ranges::binary_search(listed, at->first);", "const bool is_there = true;",
        "test_store", "CloneTest.AMoment*"),
    Bug("a clone shares the segment that is written", CLONER,
        "      if (!sealed) cut = end.offset;\n", "", "test_store", "CloneTest.Nothing*"),
    Bug("a clone shares a file of the index that grows", CLONER,
        "is_table(file.name) ? std::nullopt : std::optional(file.size)", "std::optional<std::uint64_t>()",
        "test_store", "CloneTest.Nothing*"),
    Bug("a clone's files are not synced", CLONER, "  return file->sync();\n", "  return {};\n",
        "test_faults", "CloneFaultTest.AClone*"),
    Bug("a clone has its name before it is a store", "api/src/clone_folder.cc",
        "  CAIRN_CHECK(write_file_atomically(fs_, layout_.header(), as_bytes(encode_store_header(header))));\n"
        "  if (Status renamed = fs_.rename(layout_.folder, to_); !renamed.ok()) {",
        "  Status renamed = fs_.rename(layout_.folder, to_);\n"
        "  CAIRN_CHECK(write_file_atomically(fs_, to_ + \"/STORE\", as_bytes(encode_store_header(header))));\n"
        "  if (!renamed.ok()) {", "test_faults", "CloneFaultTest.ACut*"),
    Bug("a group's checksum is not compared", "engine/format/group.cc",
        "CAIRN_CHECK(check_seal(kName, head));", "", "test_log", "SegmentScanTest.*"),
    Bug("the log's file is not synced", WRITER,
        "  CAIRN_CHECK(file_->sync());\n  if (!folder_synced_)", "  if (!folder_synced_)",
        "test_log", "LogWriterTest.*"),
    Bug("a new segment's name is not synced", WRITER,
        "CAIRN_CHECK(fs_.sync_directory(folder_));", "", "test_log", "LogWriterTest.*"),
    Bug("a table is written before its groups are synced", WRITER,
        "  CAIRN_CHECK(sync_all());\n  CAIRN_CHECK(file_->write_at(end_.offset",
        "  CAIRN_CHECK(file_->write_at(end_.offset", "test_log", "LogWriterTest.*"),
    Bug("a closed log has no witness", WRITER,
        "    CAIRN_CHECK(poison(write_witness()));\n", "", "test_faults", "ReplayTest.*"),
    Bug("the index does not learn of the witness", "api/src/store_impl.cc",
        "Status ended = close_log();", "Status ended = log_->close().ok() ? Status() : Status();", "test_store",
        "ArchiveTest.*"),
    Bug("what is appended at once may be in two groups", WRITER,
        "  for (const NewRecord& record : records) CAIRN_CHECK(append_record(record, bytes));",
        "  for (const NewRecord& record : records) {\n"
        "    if (group_.used + record.payload.size() > options_.group_bytes) CAIRN_CHECK(write_group());\n"
        "    CAIRN_CHECK(append_record(record, bytes));\n  }", "test_log", "LogWriterTest.*"),
    Bug("a checkpoint's results are committed without it", ENTRIES,
        "  taken->status = sink.write(std::move(others));",
        "  taken->status = sink.write({.entries = std::move(others.entries)});\n"
        "  if (taken->status.ok()) taken->status = sink.commit();\n"
        "  if (taken->status.ok()) taken->status = sink.write({.refs = std::move(others.refs)});",
        "test_faults", "CheckpointFaultTest.*"),
    Bug("a checkpoint's results overtake what was accepted before them", ENTRIES,
        "    taken->writes = std::exchange(queue_, {});",
        "    taken->writes.push_back(std::move(queue_.back()));\n    queue_.pop_back();", "test_store",
        "CheckpointResultsTest.*"),
    Bug("a seal is said to cover the segment after it", WRITER,
        "return record.first > sealed_->segment;", "return record.first > sealed_->segment + 1;",
        "test_log", "LogWriterTest.*"),
    Bug("groups promise what was never synced", WRITER,
        "                           .payload_bytes = align_up(group_.used, kPageBytes),\n"
        "                           .synced_through = synced_through_};",
        "                           .payload_bytes = align_up(group_.used, kPageBytes),\n"
        "                           .synced_through = end_.offset};",
        "test_log", "LogWriterTest.*"),
    Bug("a torn tail is not cut off", WRITER,
        "  CAIRN_CHECK(file_->truncate(end_.offset));\n  CAIRN_CHECK(file_->sync());\n",
        "  CAIRN_CHECK(file_->sync());\n", "test_log", "LogWriterTest.*"),
    Bug("a writer goes on after a failed write", WRITER,
        "    failure_ = status.error();\n", "    failure_ = status.error();\n    failure_.reset();\n    return status;\n",
        "test_log", "LogWriterTest.*"),
    Bug("a misdirected group is believed", SCAN,
        "if (header.offset != at)", "if (false)", "test_log", "SegmentScanTest.*"),
    Bug("a group of another segment is believed", SCAN,
        "if (header.segment != segment_.number)", "if (false)", "test_log", "SegmentScanTest.*"),
    Bug("damage is taken for a torn write", SCAN,
        "const bool was_synced = at < options_.known_synced || at < after.synced_through;",
        "const bool was_synced = false;", "test_log", "SegmentScanTest.*"),
    Bug("a scan ends at the first damage", SCAN,
        "if (!after.next_good) {", "if (true) {", "test_log", "SegmentScanTest.*"),
    Bug("a table's checksum is not compared", SCAN,
        "if (got < table.size() || checksum_of(table) != footer->table_checksum)", "if (got < table.size())",
        "test_log", "SegmentScanTest.*"),
    Bug("replay does not verify payloads", REPLAY,
        ".verify_payloads = true, .pool = pool_};", ".verify_payloads = false, .pool = pool_};", "test_faults",
        "ReplayTest.*"),
    Bug("a store whose maker was killed is built upon unsynced", "api/src/store_impl.cc",
        "Status synced = fs_.sync_directory(parent_of(layout_.folder));", "Status synced;", "test_store",
        "KilledThenPowerLossTest.*"),
    Bug("sequence numbers are used again", REPLAY,
        "std::max(out_.end.next_sequence, record.sequence + 1)", "std::max(out_.end.next_sequence, record.sequence)",
        "test_faults", "ReplayTest.*"),
    Bug("a log shorter than the index goes unnoticed", REPLAY,
        "if (segment.size < from && segment.number == from_.segment)", "if (false)", "test_faults", "ReplayTest.*"),
    Bug("the husk of a segment is damage", REPLAY,
        "const bool husk = ", "const bool husk = false && ", "test_faults", "ReplayTest.*"),
    Bug("an add is acknowledged before it is synced", WRITER,
        "CAIRN_CHECK(poison(sync_all()));", "CAIRN_CHECK(poison(wait_for_writes(0)));",
        "test_faults", "PowerLossTest.*"),
    Bug("the position moves without its records", SINK,
        "batch.seen = std::exchange(seen_, {});",
        "batch.seen = std::exchange(seen_, {});\n  if (batch.records.size() > 1) batch.records.pop_back();",
        "test_faults", "ReferenceModelTest.*"),
    Bug("refs do not reach the log", SINK,
        "batch.seen = std::exchange(seen_, {});",
        "batch.seen = std::exchange(seen_, {});\n  if (batch.records.size() == 2) batch.refs.clear();",
        "test_faults", "ReferenceModelTest.*"),
    Bug("blocks in flight are written again", SINK,
        "return std::exchange(claim->second, Claim::appended) == Claim::taken;",
        "claim->second = Claim::appended;\n  return true;",
        "test_faults", "WritePathTest.*"),
    Bug("a block is left to a later one that has claimed it", SINK,
        "  const auto claim = claims_.try_emplace(block.digest, Claim::taken).first;",
        "  if (!block.claimed) return false;\n  const auto claim = claims_.try_emplace(block.digest, Claim::taken).first;",
        "test_faults", "BlockSinkTest.*"),
    Bug("a block that the log had no room for stays claimed", SINK,
        "      claims_.erase(block.digest);\n      return std::move(written).error();",
        "      return std::move(written).error();", "test_faults", "BlockSinkTest.*"),
    Bug("a group is damaged because it was read before it was written", SCAN,
        "if (again.wrong.empty()) continue;", "", "test_log", "SegmentScanTest.*"),
    Bug("a block's digest is not compared", READER,
        "actual == digest && block->content.size()", "block->content.size()",
        "test_faults", "DamageSweepTest.*"),
    Bug("an object's checksum is not compared", READER,
        "if (checksum_of(*stored) != at.checksum)", "if (false)", "test_faults", "DamageSweepTest.*"),
    Bug("the store header's checksum is not compared", "engine/format/store_header.cc",
        "if (checksum != checksum_text(lines.before()))", "if (false)", "test_faults", "DamageSweepTest.*"),
    Bug("a segment is sealed without its earlier records", REPLAY,
        "end.open_records.insert(end.open_records.begin(), earlier.begin(), earlier.end());", "",
        "test_faults", "ReplayTest.*"),
    Bug("a file replaced whole is not synced", "engine/io/whole_file.cc",
        "  return file->sync();\n", "  return {};\n", "test_faults", "PowerLossTest.*"),
    Bug("a restored file's digest is not compared", "api/src/archive_restore.cc",
        "if (digest != entry.blob)", "if (false)", "test_faults", "WritePathTest.*"),
    Bug("a skeleton's gap ends a byte early", "engine/write/skeleton_source.cc",
        "at = tensor.offset + tensor.length;", "at = tensor.offset + tensor.length + (size_ > 99 ? 1 : 0);",
        "test_faults", "ReferenceModelTest.*"),
    Bug("tickets are synced before the commit", ASYNC,
        "    if (writer_.parts_.log.has_unreported()) {",
        "    for (const auto& group : written_) group->ticket->reach(TicketState::kSynced);\n"
        "    if (writer_.parts_.log.has_unreported()) {",
        "test_faults", "FailedSyncTest.*"),
    Bug("a part of what is put together becomes visible", ASYNC,
        "    if (--group.unwritten > 0) return {};",
        "    if (--group.unwritten > 0) {\n"
        "      std::vector<Root> early{group.roots[put.place]};\n"
        "      std::vector<PutGroup*> of{&group};\n"
        "      return write_roots(early, of);\n"
        "    }",
        "test_faults", "PutPowerLossTest.AGroup*"),
    Bug("new attributes of a name are taken for known", ASYNC,
        "if (present->attributes == root.attributes) return", "if (present) return", "test_store", "ObjectsTest.*"),
    Bug("small values wait behind large ones", QUEUE,
        "  if (drawable(small_)) return draw(small_);\n  if (drawable(bulk_)) return draw(bulk_);",
        "  if (drawable(bulk_)) return draw(bulk_);\n  if (drawable(small_)) return draw(small_);",
        "test_write", "PutQueueTest.Small*"),
    Bug("what is written does not come back to the budget", STAGING,
        "    budget->release(bytes);\n", "", "test_write", "PutQueueTest.WhatIsWritten*"),
    Bug("borrowed memory is said to be free at once", STAGING,
        "                  .group = entering.group});\n",
        "                  .group = nullptr});\n  entering.group->memory_is_free();\n",
        "test_write", "PutQueueTest.WhatIsWritten*"),
    Bug("moved memory is kept when the put is refused", ADMISSION,
        "    if (put.handover == Handover::move && put.release) put.release();", "",
        "test_write", "PutQueueTest.WhatIsNot*"),
    Bug("a failure is settled before its tickets are told", QUEUE,
        "    failed = pending_;", "    failed = std::exchange(pending_, {});", "test_write", "PutQueueTest.WhoSettles*"),
    Bug("a refused put leaves the writer asleep", ADMISSION,
        "    hurry_through_ = next_sequence_ - 1;\n    work_.notify_one();\n  }\n  refuse(", "  }\n  refuse(",
        "test_write", "PutQueueTest.ARefused*"),
    Bug("a failed put says that its memory is free", "engine/write/ticket_state.cc",
        "    if (step == kStaged && keep_staged) continue;\n", "", "test_write", "TicketStateTest.*"),
    Bug("the budget lets in more than it has", "engine/write/byte_budget.h",
        "(bytes <= limit_ && used_ <= limit_ - bytes)", "bytes <= limit_", "test_write", "ByteBudgetTest.Grants*"),
    Bug("the checkpoint just saved is pruned for its old number", "api/src/checkpoint_save.cc",
        "to_be_removed(versions, retention_, saved)", "to_be_removed(versions, retention_)",
        "test_store", "CheckpointsTest.Retention*"),
    Bug("a checkpoint does not know a parent that is on its way", "api/src/checkpoint_save.cc",
        "for (const RefRecord& pending : sink.pending_refs()) {", "for (const RefRecord& pending : std::vector<RefRecord>()) {",
        "test_store", "CheckpointsTest.Saves*"),
    Bug("an index that is given up removes the files of the next", "engine/index/guarded_folder.cc",
        "if (keep_all_ || retired_ || kept_", "if (keep_all_ || kept_", "test_index", "IndexReaders.OneThatIsRetired*"),
    Bug("a copy past the cache ends at a whole line", "engine/write/staging_arena.cc",
        "    std::memcpy(target, source, from.size() - lines);\n", "", "test_write", "CopyPastCacheTest.*"),
]


def copy_sources(to: pathlib.Path) -> None:
    """Makes `to` equal to the sources, leaving alone the times of what is equal already."""
    wanted = set()
    for top in COPIED:
        root = SOURCE / top
        files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            target = to / file.relative_to(SOURCE)
            wanted.add(target)
            if target.exists() and filecmp.cmp(file, target, shallow=False):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            shutil.copymode(file, target)
    for top in COPIED:
        for file in sorted((to / top).rglob("*")):
            if file.is_file() and file not in wanted:
                file.unlink()


def run(command, cwd, patience=None):
    return subprocess.run(command, cwd=cwd, timeout=patience, text=True, errors="replace", check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Tree:
    def __init__(self, folder: pathlib.Path):
        self.source = folder / "source"
        # As ./dev builds it and where, seen from the sources: the compiler cache has all of it.
        self.build_folder = self.source / "build" / "dev"
        copy_sources(self.source)
        configured = run(["cmake", "--preset", "dev", "-DCAIRN_BUILD_BENCH=OFF", "-DCAIRN_BUILD_EXAMPLES=OFF",
                          "-DCAIRN_BUILD_CLI=OFF"], self.source)
        if configured.returncode != 0:
            sys.exit(f"configuring failed:\n{configured.stdout}")

    def build(self, program: str) -> None:
        built = run(["cmake", "--build", str(self.build_folder), "--target", program, "-j", str(os.cpu_count())],
                    self.build_folder)
        if built.returncode != 0:
            sys.exit(f"building {program} failed:\n{built.stdout[-4000:]}")

    def test(self, program: str, test_filter: str):
        """None when all tests pass; otherwise what failed."""
        self.build(program)
        try:
            ran = run([f"./tests/{program}", f"--gtest_filter={test_filter}", "--gtest_fail_fast"],
                      self.build_folder, PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "hangs"
        if ran.returncode == 0:
            if "[  PASSED  ] 0 tests" in ran.stdout:
                sys.exit(f"{program} has no test {test_filter}")
            return None
        failed = [line for line in ran.stdout.splitlines() if line.startswith("[  FAILED  ]")]
        return failed[0].split()[3].rstrip(",") if failed else f"exit status {ran.returncode}"


def check_table() -> None:
    if len({bug.name for bug in BUGS}) != len(BUGS):
        sys.exit("two bugs have one name")
    for bug in BUGS:
        count = (SOURCE / bug.file).read_text().count(bug.text)
        if count != 1:
            sys.exit(f"'{bug.name}': its text is {count} times in {bug.file}, not once:\n{bug.text}")


def plant(tree: Tree, bug: Bug):
    """What caught the bug, or None."""
    file = tree.source / bug.file
    original = file.read_text()
    try:
        file.write_text(UNUSED + original.replace(bug.text, bug.planted))
        # Some bugs need two threads to meet: a few runs decide.
        return next(filter(None, (tree.test(bug.program, bug.filter) for _ in range(RUNS))), None)
    finally:
        file.write_text(original)


def chosen() -> list:
    names = sys.argv[1:]
    if names == ["all"]:
        return BUGS
    if names:
        unknown = set(names) - {bug.name for bug in BUGS}
        if unknown:
            sys.exit(f"no such bug: {', '.join(sorted(unknown))}")
        return [bug for bug in BUGS if bug.name in names]
    if os.environ.get("CAIRN_TEST_SCALE") != "long":
        return BUGS[:1]
    seed = os.environ.get("CAIRN_TEST_SEED")
    if not seed and shutil.which("git"):
        seed = run(["git", "rev-list", "--count", "HEAD"], SOURCE).stdout.strip()
    return BUGS[int(seed) % SHARE if seed and seed.isdigit() else 0::SHARE]


def main() -> int:
    check_table()
    bugs = chosen()
    base = os.environ.get("CAIRN_BINARY_DIR")
    folder = pathlib.Path(base) / "planted_bugs" if base else pathlib.Path(tempfile.mkdtemp(prefix="planted-bugs-"))
    folder.mkdir(parents=True, exist_ok=True)
    # The programs under test run at their quick scale: a bug that only long runs find is
    # found too late.
    os.environ.pop("CAIRN_TEST_SCALE", None)
    start = time.monotonic()
    try:
        tree = Tree(folder)
        for program, test_filter in sorted({(bug.program, bug.filter) for bug in bugs}):
            failed = tree.test(program, test_filter)
            if failed:
                sys.exit(f"{program} {test_filter} fails without any bug: {failed}")
        survivors = 0
        for bug in bugs:
            caught = plant(tree, bug)
            survivors += caught is None
            print(f"{bug.name:50} {caught or 'SURVIVES ' + bug.program + ' ' + bug.filter}", flush=True)
        print(f"{len(bugs) - survivors} of {len(bugs)} planted bugs caught in {time.monotonic() - start:.0f} s")
        return 1 if survivors else 0
    finally:
        if not base:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
