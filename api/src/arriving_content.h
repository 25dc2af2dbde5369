// SPDX-License-Identifier: Apache-2.0
//
// Digests blobs and files while the blocks that they are made of arrive, so that they need not be read back to be
// verified. Blocks that come in another order than theirs, or are there already, are left for whoever reads them.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/content/digester.h"
#include "engine/read/file_pieces.h"
#include "replication/content.h"

namespace cairn {

// Owned by one thread.
class ArrivingContent {
 public:
  explicit ArrivingContent(DigestKind digest) : digest_(digest) {}

  void expect(const mirror::ContentId& id, FilePieces pieces);
  // The blobs and files among these, as far as they are made of each other, and of blocks that come.
  void expect(const std::vector<const mirror::Content*>& objects);
  // A block has come, and is what its digest says.
  void take(const Digest& block, Bytes content);

  // What has been digested of it, from its first byte on.
  struct Begun {
    Digester digester;
    std::uint64_t bytes = 0;
    bool all = false;
  };
  // Nothing: it was not expected. It is not, from now on.
  std::optional<Begun> end(const mirror::ContentId& id);

 private:
  struct Expected {
    mirror::ContentId id;
    FilePieces pieces;
    std::size_t next = 0;  // of the pieces
    Digester digester;
  };
  // As far as it goes with the block that came, if one did, and with `bytes_left` to be digested.
  void advance(Expected& one, const Digest* block, Bytes content, std::uint64_t& bytes_left);

  const DigestKind digest_;
  std::unordered_map<mirror::ContentId, Expected, mirror::ContentIdHash> expected_;
  std::unordered_map<Digest, std::vector<mirror::ContentId>> waiting_;  // for this block
  // A file has bytes of these between those of others: empty, until they have come.
  std::unordered_map<Digest, std::vector<std::byte>> skeletons_;
  std::uint64_t skeleton_bytes_ = 0;
  std::size_t pieces_ = 0;  // of all that was expected
};

}  // namespace cairn
