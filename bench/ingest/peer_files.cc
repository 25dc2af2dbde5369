// SPDX-License-Identifier: Apache-2.0
//
// One file for each value: written under another name, synced, renamed, the folder synced.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "bench/ingest/measure.h"
#include "bench/ingest/peers.h"

namespace bench {
namespace {

class FilesPeer : public Peer {
 public:
  explicit FilesPeer(const std::string& folder) : folder_(folder), directory_(::open(folder.c_str(), O_RDONLY)) {
    expect(directory_ >= 0);
  }
  ~FilesPeer() override { ::close(directory_); }
  void put(std::uint64_t key, std::span<const std::byte> value) override {
    const std::string path = folder_ + "/" + std::to_string(key), draft = path + ".tmp";
    const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    expect(file >= 0);
    for (std::size_t at = 0; at < value.size();) {
      const ssize_t written = ::write(file, value.data() + at, value.size() - at);
      expect(written > 0);
      at += static_cast<std::size_t>(written);
    }
    expect(::fsync(file) == 0 && ::close(file) == 0);
    expect(::rename(draft.c_str(), path.c_str()) == 0 && ::fsync(directory_) == 0);
  }

 private:
  static void expect(bool good) {
    if (!good) die(std::string("files: ") + std::strerror(errno));
  }
  std::string folder_;
  int directory_;
};

}  // namespace

std::unique_ptr<Peer> open_files(const std::string& folder) { return std::make_unique<FilesPeer>(folder); }

bool with_peer(const PeerKind& kind, const std::string& folder, const std::function<void(Peer&)>& use) {
  const std::filesystem::path place = std::filesystem::path(folder) / "peer";
  std::filesystem::remove_all(place);
  std::filesystem::create_directories(place);
  std::unique_ptr<Peer> peer = kind.open(place);
  if (peer) use(*peer);
  const bool there = peer != nullptr;
  peer.reset();
  std::filesystem::remove_all(place);
  return there;
}

}  // namespace bench
