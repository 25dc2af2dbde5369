// SPDX-License-Identifier: Apache-2.0
//
// What torch.save() writes into a pickle: which storages there are, and which tensors look
// at them, under which names.
#pragma once

#include "engine/content/tensor_collector.h"

namespace cairn {

// ('storage', type, key, location, elements): the key names an entry of the archive.
struct PickledStorage {
  std::string_view key;
  DType dtype = DType::opaque;  // opaque: a type that is not known
};

// A view of a storage. Shape and strides count elements and have equal sizes.
struct PickledTensor {
  std::string name;  // the keys that lead to it, joined by '.'
  std::string_view storage_key;
  DType dtype = DType::opaque;
  std::uint64_t first_element = 0;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> strides;
};

// Views into the pickle's bytes.
struct TorchPickle {
  std::string broken;                    // why the pickle could not be followed; the storages seen are here
  std::vector<PickledStorage> storages;  // keys may repeat
  std::vector<PickledTensor> tensors;    // in the order of the object, not of the storages
};

// Never runs anything (pickle_machine.h). Memory is claimed from `budget`.
TorchPickle read_torch_pickle(Bytes pickle, TensorCollector& budget);

}  // namespace cairn
