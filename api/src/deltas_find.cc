// SPDX-License-Identifier: Apache-2.0
//
// Deltas: which there are, what they are, and removing them.
#include <algorithm>

#include "api/src/delta_store.h"
#include "api/src/object_info.h"
#include "cairn/store.h"
#include "engine/base/errors.h"
#include "engine/format/manifest.h"
#include "engine/read/whole_content.h"

namespace cairn {
namespace {

std::vector<ObjectName> names_of(const std::vector<Root>& roots) {
  std::vector<ObjectName> names;
  for (const Root& root : roots) {
    names.push_back({.name = root.name, .created_ns = root.created_ns, .attributes = root.attributes});
  }
  return names;
}

}  // namespace

Result<std::optional<FoundDelta>> find_delta(StoreImpl& store, const std::string& id) {
  CAIRN_CHECK(store.follow());
  CAIRN_TRY(const Digest digest, parse_digest(store.header().digest, id));
  CAIRN_TRY(std::vector<Root> roots, store.index().find_roots(digest));
  std::erase_if(roots, [](const Root& root) { return root.kind != RecordKind::delta; });
  if (roots.empty()) return std::optional<FoundDelta>();
  auto manifest = load_delta(store.blocks(), digest);
  if (!manifest.ok()) return lost(std::move(manifest).error());
  return std::optional(FoundDelta{.id = digest, .manifest = std::move(manifest).value(), .roots = std::move(roots)});
}

Result<FoundDelta> find_delta_or_fail(StoreImpl& store, const std::string& id) {
  CAIRN_TRY(auto found, find_delta(store, id));
  if (!found) return make_error(ErrorCode::not_found, "no delta " + printable(id) + " is stored");
  return *std::move(found);
}

Result<DeltaInfo> describe_delta(StoreImpl& store, const Digest& id, const DeltaManifest& delta) {
  DeltaInfo info{.id = store.id_text(id),
                 .kind = delta.kind,
                 .tensor = {.dtype = delta.dtype, .shape = delta.shape},
                 .bytes = delta.bytes,
                 .target = store.id_text(delta.target),
                 .result = store.id_text(is_lossless(delta.kind) ? delta.target : delta.result),
                 .max_error = delta.max_error,
                 .largest_error = delta.largest_error,
                 .exceptions = delta.exceptions};
  if (delta.kind != DeltaKind::whole) info.base = store.id_text(delta.base);
  if (delta.kind == DeltaKind::axis_scaled) info.axis = delta.axis;
  info.stored_bytes = encode(delta).size();
  std::vector<std::pair<Digest, std::uint64_t>> blobs;
  if (delta.kind == DeltaKind::whole) {
    const auto tensor = load_tensor(store.blocks(), delta.target);
    if (!tensor.ok()) return lost(tensor.error());
    blobs.emplace_back(tensor->blob, tensor->bytes);
  }
  for (const DeltaStream& stream : delta.streams) blobs.emplace_back(stream.blob, stream.bytes);
  for (const auto& [blob, bytes] : blobs) {
    auto pieces = pieces_of_blob(store.blocks(), blob, bytes);
    if (!pieces.ok()) return lost(std::move(pieces).error());
    std::map<std::string, std::uint64_t> codecs;
    if (Status counted = count_storage(store, *pieces, codecs, info.stored_bytes); !counted.ok()) {
      return lost(std::move(counted).error());
    }
  }
  return info;
}

Result<DeltaInfo> describe_delta(StoreImpl& store, const FoundDelta& found) {
  CAIRN_TRY(DeltaInfo info, describe_delta(store, found.id, found.manifest));
  info.names = names_of(found.roots);
  return info;
}

Result<ReadableTensor> open_base(StoreImpl& store, const DeltaBase& base) {
  if (const auto* const given = std::get_if<TensorBytes>(&base)) return open_given(*given, "base");
  const auto& id = std::get<std::string>(base);
  CAIRN_TRY(const Digest digest, parse_digest(store.header().digest, id));
  CAIRN_TRY(const auto at, store.index().find_object(RecordKind::tensor, digest));
  if (!at) return make_error(ErrorCode::not_found, "no tensor " + printable(id) + " is in the store");
  CAIRN_TRY(const bool whole, WholeContent(store.blocks()).is_whole({RecordKind::tensor, digest}));
  if (!whole) return make_error(ErrorCode::corruption, "tensor " + printable(id) + ": a part of it is damaged");
  return open_stored(store, digest);
}

Status check_base(const ReadableTensor& target, const ReadableTensor& base) {
  if (target.dtype == base.dtype && target.shape == base.shape && target.bytes == base.bytes) return {};
  return make_error(ErrorCode::invalid_argument, "a delta's base has the target's dtype and shape");
}

Result<bool> Deltas::contains(const std::string& id) {
  CAIRN_TRY(const auto found, find_delta(*store_, id));
  return found.has_value();
}

Result<std::optional<DeltaInfo>> Deltas::info(const std::string& id) {
  CAIRN_TRY(const auto found, find_delta(*store_, id));
  if (!found) return std::optional<DeltaInfo>();
  CAIRN_TRY(DeltaInfo info, describe_delta(*store_, *found));
  return std::optional(std::move(info));
}

Result<DeltaPage> Deltas::list(const std::string& cursor, std::size_t limit) {
  CAIRN_CHECK(store_->follow());
  if (limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one delta");
  std::optional<Digest> after;
  if (!cursor.empty()) {
    CAIRN_TRY(after, parse_digest(store_->header().digest, cursor));
  }
  std::vector<FoundDelta> found;
  bool more = false;
  const auto visit = [&](const Root& root) -> Result<bool> {
    if (root.kind != RecordKind::delta) return true;
    if (found.empty() || found.back().id != root.id) {
      more = found.size() == limit;
      if (more) return false;
      found.push_back({.id = root.id, .manifest = {}, .roots = {}});
    }
    found.back().roots.push_back(root);
    return true;
  };
  CAIRN_CHECK(store_->index().for_each_root(after, visit));
  DeltaPage page;
  for (FoundDelta& delta : found) {
    auto manifest = load_delta(store_->blocks(), delta.id);
    if (!manifest.ok()) return lost(std::move(manifest).error());
    delta.manifest = std::move(manifest).value();
    CAIRN_TRY(DeltaInfo info, describe_delta(*store_, delta));
    page.deltas.push_back(std::move(info));
  }
  if (more) page.next = page.deltas.back().id;
  return page;
}

Result<bool> Deltas::remove(const std::string& id) {
  CAIRN_TRY(const Digest digest, parse_digest(store_->header().digest, id));
  CAIRN_TRY(const StoreImpl::Writing writing, store_->begin_writing());
  CAIRN_TRY(std::vector<Root> roots, store_->index().find_roots(digest));
  std::erase_if(roots, [](const Root& root) { return root.kind != RecordKind::delta; });
  if (roots.empty()) return false;
  for (Root& root : roots) root = Root{.kind = root.kind, .id = root.id, .name = std::move(root.name), .removed = true};
  BlockSink sink({.digest = store_->header().digest, .block_bytes = store_->header().block_bytes}, store_->index(),
                 *writing.log, store_->parts());
  CAIRN_CHECK(sink.write_roots(std::move(roots)));
  CAIRN_CHECK(sink.commit());
  return true;
}

}  // namespace cairn
