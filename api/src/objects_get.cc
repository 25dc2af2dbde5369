// SPDX-License-Identifier: Apache-2.0
//
// Store: objects that were put directly, by id.
#include <algorithm>
#include <cstring>

#include "api/src/object_info.h"
#include "api/src/read_through.h"
#include "api/src/store_impl.h"
#include "api/src/tensor_slice.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/read/file_reader.h"

namespace cairn {
namespace {

struct Found {
  Root root;  // the first of them
  std::vector<Root> roots;
};

// What was accepted before this call is found: a miss waits for it, and looks again.
Result<std::optional<Found>> find(StoreImpl& store, const std::string& id) {
  CAIRN_CHECK(store.follow());
  CAIRN_TRY(const Digest digest, parse_digest(store.header().digest, id));
  CAIRN_TRY(std::vector<Root> roots, store.index().find_roots(digest));
  if (roots.empty()) {
    store.settle_puts();
    CAIRN_TRY(roots, store.index().find_roots(digest));
  }
  if (roots.empty()) return std::optional<Found>();
  Root first = roots.front();
  return std::optional(Found{.root = std::move(first), .roots = std::move(roots)});
}

Result<Found> find_or_fail(StoreImpl& store, const std::string& id) {
  CAIRN_TRY(auto found, find(store, id));
  if (!found && store.read_through() != nullptr) {
    CAIRN_TRY(const Digest digest, parse_digest(store.header().digest, id));
    CAIRN_TRY(const bool came, store.read_through()->bring_object(digest));
    if (came) {
      CAIRN_TRY(found, find(store, id));
    }
  }
  if (!found) return make_error(ErrorCode::not_found, "no object " + printable(id) + " was put");
  return *std::move(found);
}

Result<FilePieces> pieces_of(StoreImpl& store, const Root& root) {
  if (root.kind == RecordKind::delta) {
    return make_error(ErrorCode::invalid_argument, store.id_text(root.id) + " is a delta, to be loaded as one");
  }
  Digest blob = root.id;
  if (root.kind == RecordKind::tensor) {
    const auto tensor = load_tensor(store.blocks(), root.id);
    if (!tensor.ok()) return lost(tensor.error());
    blob = tensor->blob;
  }
  auto pieces = pieces_of_blob(store.blocks(), blob, root.bytes);
  if (!pieces.ok()) return lost(std::move(pieces).error());
  if (pieces->total_bytes != root.bytes) {
    return make_error(ErrorCode::corruption, store.id_text(root.id) + ": content has " +
                                                 std::to_string(pieces->total_bytes) + " bytes, not " +
                                                 std::to_string(root.bytes));
  }
  return pieces;
}

// The pieces that hold [offset, offset + bytes), cut to it.
FilePieces part_of(const FilePieces& whole, std::uint64_t offset, std::uint64_t bytes) {
  FilePieces part{.total_bytes = bytes, .pieces = {}};
  const std::uint64_t end = offset + bytes;
  for (Piece piece : whole.pieces) {
    const std::uint64_t from = std::max(offset, piece.offset);
    const std::uint64_t to = std::min(end, piece.offset + piece.length);
    if (from >= to) continue;
    piece.skip += static_cast<std::uint32_t>(from - piece.offset);
    piece.length = static_cast<std::uint32_t>(to - from);
    piece.offset = from - offset;
    part.pieces.push_back(piece);
  }
  return part;
}

Status read(StoreImpl& store, const FilePieces& pieces, std::span<std::byte> into) {
  std::size_t done = 0;
  const auto place = [&](Bytes bytes) -> Status {
    std::memcpy(into.data() + done, bytes.data(), bytes.size());
    done += bytes.size();
    return {};
  };
  if (pieces.pieces.size() == 1) {
    const Piece& piece = pieces.pieces.front();
    const auto block = store.blocks().read_block(piece.block.digest);
    if (!block.ok()) return lost(block.error());
    CAIRN_INVARIANT(block->content.size() >= std::uint64_t{piece.skip} + piece.length);
    return place(block->content.subspan(piece.skip, piece.length));
  }
  const Progress none;
  ProgressMeter meter(none, "read", pieces.total_bytes);
  Status status = FileReader(store.blocks(), store.pool()).stream(pieces, place, meter);
  if (!status.ok()) return lost(std::move(status).error());
  return status;
}

Object describe_roots(StoreImpl& store, const std::vector<Root>& roots) {
  Object object{.id = store.id_text(roots.front().id), .bytes = roots.front().bytes, .tensor = {}, .names = {}};
  for (const Root& root : roots) {
    object.names.push_back({.name = root.name, .created_ns = root.created_ns, .attributes = root.attributes});
  }
  return object;
}

Result<Object> describe_object(StoreImpl& store, const std::vector<Root>& roots) {
  Object object = describe_roots(store, roots);
  if (roots.front().kind == RecordKind::delta) {
    const auto delta = load_delta(store.blocks(), roots.front().id);
    if (!delta.ok()) return lost(delta.error());
    object.tensor = TensorLayout{.dtype = delta->dtype, .shape = delta->shape, .strides = {}, .first = 0};
    object.delta = true;
  }
  if (roots.front().kind != RecordKind::tensor) return object;
  const auto tensor = load_tensor(store.blocks(), roots.front().id);
  if (!tensor.ok()) return lost(tensor.error());
  object.tensor = TensorLayout{.dtype = tensor->dtype, .shape = tensor->shape, .strides = {}, .first = 0};
  return object;
}

}  // namespace

Result<std::vector<std::byte>> Store::get(const std::string& id) {
  CAIRN_TRY(const Found found, find_or_fail(*impl_, id));
  CAIRN_TRY(const FilePieces pieces, pieces_of(*impl_, found.root));
  std::vector<std::byte> content(found.root.bytes);
  CAIRN_CHECK(read(*impl_, pieces, content));
  return content;
}

Status Store::get_into(const std::string& id, std::span<std::byte> into) {
  CAIRN_TRY(const Found found, find_or_fail(*impl_, id));
  if (into.size() != found.root.bytes) {
    return make_error(ErrorCode::invalid_argument, printable(id) + " has " + std::to_string(found.root.bytes) +
                                                       " bytes, not " + std::to_string(into.size()));
  }
  CAIRN_TRY(const FilePieces pieces, pieces_of(*impl_, found.root));
  return read(*impl_, pieces, into);
}

Status Store::get_range(const std::string& id, std::uint64_t offset, std::span<std::byte> into) {
  CAIRN_TRY(const Found found, find_or_fail(*impl_, id));
  if (offset > found.root.bytes || into.size() > found.root.bytes - offset) {
    return make_error(ErrorCode::invalid_argument,
                      printable(id) + " has " + std::to_string(found.root.bytes) + " bytes: the range leaves it");
  }
  CAIRN_TRY(const FilePieces pieces, pieces_of(*impl_, found.root));
  return read(*impl_, part_of(pieces, offset, into.size()), into);
}

Result<std::map<std::string, std::vector<std::byte>>> Store::get_many(const std::vector<std::string>& ids) {
  std::map<std::string, std::vector<std::byte>> contents;
  for (const std::string& id : ids) {
    if (contents.contains(id)) continue;
    auto content = get(id);
    if (content.ok()) {
      contents.emplace(id, std::move(content).value());
    } else if (content.error().code != ErrorCode::not_found) {
      return std::move(content).error();
    }
  }
  return contents;
}

Result<std::vector<std::byte>> Store::get_slice(const std::string& id, const std::vector<std::uint64_t>& begin,
                                                const std::vector<std::uint64_t>& end) {
  CAIRN_TRY(const Found found, find_or_fail(*impl_, id));
  if (found.root.kind != RecordKind::tensor) {
    return make_error(ErrorCode::invalid_argument, printable(id) + ": is no tensor");
  }
  const auto tensor = load_tensor(impl_->blocks(), found.root.id);
  if (!tensor.ok()) return lost(tensor.error());
  CAIRN_TRY(const FilePieces whole, pieces_of(*impl_, found.root));
  return read_slice(*impl_, printable(id), *tensor, whole, begin, end);
}

Result<bool> Store::contains(const std::string& id) {
  CAIRN_TRY(const auto found, find(*impl_, id));
  return found.has_value();
}

Result<std::optional<Object>> Store::describe(const std::string& id) {
  CAIRN_TRY(const auto found, find(*impl_, id));
  if (!found) return std::optional<Object>();
  CAIRN_TRY(Object object, describe_object(*impl_, found->roots));
  return std::optional(std::move(object));
}

Result<ObjectPage> Store::list(const std::string& cursor, std::size_t limit) {
  CAIRN_CHECK(impl_->follow());
  if (limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one object");
  std::optional<Digest> after;
  if (!cursor.empty()) {
    CAIRN_TRY(after, parse_digest(impl_->header().digest, cursor));
  }
  impl_->settle_puts();
  std::vector<std::vector<Root>> found;  // by object
  bool more = false;
  const auto visit = [&](const Root& root) -> Result<bool> {
    if (found.empty() || found.back().front().id != root.id) {
      more = found.size() == limit;
      if (more) return false;
      found.emplace_back();
    }
    found.back().push_back(root);
    return true;
  };
  CAIRN_CHECK(impl_->index().for_each_root(after, visit));
  ObjectPage page;
  for (const std::vector<Root>& roots : found) {
    CAIRN_TRY(Object object, describe_object(*impl_, roots));
    page.objects.push_back(std::move(object));
  }
  if (more) page.next = page.objects.back().id;
  return page;
}

}  // namespace cairn
