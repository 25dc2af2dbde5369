// SPDX-License-Identifier: Apache-2.0
#include "engine/content/pytorch.h"

#include <algorithm>
#include <map>

#include "engine/content/torch_pickle.h"

namespace cairn {
namespace {

constexpr std::string_view kPickle = "data.pkl";
constexpr std::string_view kBig = "big";

// One entry of the archive that a storage lies in.
struct StoragePlace {
  const ZipEntry* entry = nullptr;
  std::uint64_t at = 0;
  DType dtype = DType::opaque;
};

// A tensor that is row-major and inside its storage.
struct Piece {
  std::size_t storage = 0;
  std::uint64_t begin = 0;  // in the storage, bytes
  std::uint64_t end = 0;
  PickledTensor* tensor = nullptr;
};

const ZipEntry* find_pickle(const ZipDirectory& directory) noexcept {
  for (const ZipEntry& entry : directory.entries) {
    const std::string_view name = entry.name;
    if (name == kPickle || (name.ends_with(kPickle) && name[name.size() - kPickle.size() - 1] == '/')) return &entry;
  }
  return nullptr;
}

// The stride of a dimension of one element is never used.
bool is_row_major(const PickledTensor& tensor) noexcept {
  std::uint64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] == 1) continue;
    if (tensor.strides[i] != expected || __builtin_mul_overflow(expected, tensor.shape[i], &expected)) return false;
  }
  return true;
}

class PytorchScan {
 public:
  PytorchScan(const ByteSource& source, const ZipDirectory& directory, TensorCollector& tensors)
      : source_(source), directory_(directory), tensors_(tensors) {}

  Result<ScanOutcome> run() {
    const ZipEntry& pickle_entry = *find_pickle(directory_);
    const std::string prefix = pickle_entry.name.substr(0, pickle_entry.name.size() - kPickle.size());
    if (!pickle_entry.stored) return ScanOutcome::because("its data.pkl is compressed");
    CAIRN_TRY(const auto pickle_at, locate_zip_entry(source_, pickle_entry));
    if (!pickle_at) return ScanOutcome::because("its data.pkl lies outside the file");
    if (!tensors_.charge(pickle_entry.bytes)) return TensorCollector::over_budget();
    std::vector<std::byte> pickle(pickle_entry.bytes);
    CAIRN_CHECK(source_.read_at(*pickle_at, pickle));

    TorchPickle objects = read_torch_pickle(pickle, tensors_);
    if (!objects.broken.empty()) tensors_.remark(std::move(objects.broken));
    CAIRN_CHECK(find_entries(prefix));
    CAIRN_CHECK(place_storages(objects));
    collect(objects);
    if (tensors_.exhausted()) return TensorCollector::over_budget();
    return ScanOutcome::parsed();
  }

 private:
  // Which entries are storages, and the byte order of them all.
  Status find_entries(const std::string& prefix) {
    const std::string data = prefix + "data/";
    for (const ZipEntry& entry : directory_.entries) {
      const std::string_view name = entry.name;
      if (name.starts_with(data)) {
        if (!tensors_.charge(kMapEntry)) return {};
        entries_.emplace(name.substr(data.size()), &entry);
      } else if (name == prefix + "byteorder" && entry.stored && entry.bytes == kBig.size()) {
        CAIRN_TRY(const auto at, locate_zip_entry(source_, entry));
        if (!at) continue;
        std::byte text[kBig.size()];
        CAIRN_CHECK(source_.read_at(*at, text));
        big_endian_ = as_text(text) == kBig;
      }
    }
    return {};
  }

  // The first mention of a storage counts.
  Status place_storages(const TorchPickle& objects) {
    for (const PickledStorage& storage : objects.storages) {
      if (numbers_.contains(storage.key)) continue;
      if (!tensors_.charge(kMapEntry + 3 * sizeof(StoragePlace))) return {};
      numbers_.emplace(storage.key, places_.size());
      StoragePlace& place = places_.emplace_back();
      const auto found = entries_.find(storage.key);
      if (found == entries_.end()) {
        tensors_.remark("storage " + quoted(storage.key) + " is not in the archive");
        continue;
      }
      const ZipEntry& entry = *found->second;
      CAIRN_TRY(const auto at, entry.stored ? locate_zip_entry(source_, entry) : std::optional<std::uint64_t>());
      if (!at) {
        tensors_.remark("entry " + quoted(entry.name) + (entry.stored ? " lies outside the file" : " is compressed"));
      } else if (storage.dtype == DType::opaque) {
        tensors_.remark("entry " + quoted(entry.name) + " is of an element type that is not known");
      } else {
        place = {.entry = &entry, .at = *at, .dtype = storage.dtype};
      }
    }
    return {};
  }

  std::optional<Piece> piece_of(PickledTensor& tensor) {
    const auto number = numbers_.find(tensor.storage_key);
    if (number == numbers_.end() || places_[number->second].entry == nullptr) return std::nullopt;
    const auto bytes = byte_count(tensor.dtype, tensor.shape);
    const std::uint64_t element_bytes = dtype_bits(tensor.dtype) / 8;
    Piece piece{.storage = number->second, .begin = 0, .end = 0, .tensor = &tensor};
    if (!bytes || __builtin_mul_overflow(tensor.first_element, element_bytes, &piece.begin) ||
        __builtin_add_overflow(piece.begin, *bytes, &piece.end)) {
      return std::nullopt;
    }
    // Views that are transposed or strided stay part of their storage: that is no fault.
    if (*bytes != 0 && !is_row_major(tensor)) return std::nullopt;
    if (piece.end > places_[piece.storage].entry->bytes) {
      tensors_.remark("tensor " + quoted(tensor.name) + " lies outside its storage");
      return std::nullopt;
    }
    return piece;
  }

  void collect(TorchPickle& objects) {
    std::vector<Piece> pieces;
    if (!tensors_.charge(2 * objects.tensors.size() * sizeof(Piece))) return;
    pieces.reserve(objects.tensors.size());
    for (PickledTensor& tensor : objects.tensors) {
      if (const auto piece = piece_of(tensor)) pieces.push_back(*piece);
    }
    // Stable: of tied weights, the name that comes first in the object wins.
    std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
      if (a.storage != b.storage) return a.storage < b.storage;
      return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
    });
    auto piece = pieces.begin();
    for (std::size_t i = 0; i < places_.size(); ++i) {
      std::uint64_t end = 0;
      for (; piece != pieces.end() && piece->storage == i; ++piece) {
        const bool empty = piece->begin == piece->end;
        // Another view of what is taken: of every storage, each byte is kept once.
        if (!empty && piece->begin < end) continue;
        if (!empty) add_rest(places_[i], end, piece->begin);
        add(std::move(piece->tensor->name), piece->tensor->dtype, std::move(piece->tensor->shape),
            places_[i].at + piece->begin, piece->end - piece->begin);
        end = std::max(end, piece->end);
      }
      if (places_[i].entry != nullptr) add_rest(places_[i], end, places_[i].entry->bytes);
    }
  }

  // What no tensor covers.
  void add_rest(const StoragePlace& place, std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t element_bytes = dtype_bits(place.dtype) / 8;
    if (begin == end || (end - begin) % element_bytes != 0) return;
    add(place.entry->name, place.dtype, {(end - begin) / element_bytes}, place.at + begin, end - begin);
  }

  void add(std::string name, DType dtype, std::vector<std::uint64_t> shape, std::uint64_t offset,
           std::uint64_t length) {
    const std::uint8_t attribute = big_endian_ && dtype_bits(dtype) > 8 ? kBigEndian : std::uint8_t{0};
    tensors_.add({.name = std::move(name),
                  .dtype = dtype,
                  .attribute = attribute,
                  .shape = std::move(shape),
                  .offset = offset,
                  .length = length});
  }

  static constexpr std::uint64_t kMapEntry = 96;

  const ByteSource& source_;
  const ZipDirectory& directory_;
  TensorCollector& tensors_;
  // Not hash maps: a hostile file would choose keys that collide.
  std::map<std::string_view, const ZipEntry*> entries_;  // by key
  std::map<std::string_view, std::size_t> numbers_;      // of places_, by key
  std::vector<StoragePlace> places_;
  bool big_endian_ = false;
};

}  // namespace

bool looks_like_legacy_pytorch(Bytes head) noexcept {
  // Protocol 2, then the long integer 0x1950a86a20f9469cfc6c.
  constexpr std::string_view kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  return as_text(head).starts_with(kMagic);
}

bool is_pytorch(const ZipDirectory& directory) noexcept { return find_pickle(directory) != nullptr; }

Result<ScanOutcome> scan_pytorch(const ByteSource& source, const ZipDirectory& directory, TensorCollector& tensors) {
  return PytorchScan(source, directory, tensors).run();
}

}  // namespace cairn
