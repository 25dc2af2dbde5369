// SPDX-License-Identifier: Apache-2.0
//
// Other ways to keep values on the same disk, each behind one call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

// What put() has taken survives power loss when it returns. Any thread.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void put(std::uint64_t key, std::span<const std::byte> value) = 0;
};

struct PeerKind {
  const char* name;
  // In a folder that is there and empty; null where the build had no such library.
  std::unique_ptr<Peer> (*open)(const std::string& folder);
};

std::unique_ptr<Peer> open_rocksdb(const std::string& folder);
std::unique_ptr<Peer> open_blobdb(const std::string& folder);
std::unique_ptr<Peer> open_lmdb(const std::string& folder);
std::unique_ptr<Peer> open_sqlite(const std::string& folder);
// With synchronous=NORMAL, which syncs now and then: the latest may be lost with the power.
std::unique_ptr<Peer> open_sqlite_normal(const std::string& folder);
std::unique_ptr<Peer> open_files(const std::string& folder);

// Calls `use` with a peer in a new folder below `folder`, which is removed afterwards.
// False: the build has no such peer.
bool with_peer(const PeerKind& kind, const std::string& folder, const std::function<void(Peer&)>& use);

}  // namespace bench
