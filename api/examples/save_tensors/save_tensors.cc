// SPDX-License-Identifier: Apache-2.0
//
// Saves two named tensors, waits until they survive power loss, and reads them back.
#include <cairn/store.h>

#include <cstring>
#include <iostream>

int main(int argc, char** argv) {
  auto store = cairn::Store::open(argc > 1 ? argv[1] : "store", {.mode = cairn::OpenMode::create});
  if (!store.ok()) return std::cerr << store.error().message << '\n', 1;

  std::vector<float> weight(512 * 256, 0.5F), bias(512, 0.25F);
  const auto tensor = [](std::string name, const std::vector<float>& values, std::vector<std::uint64_t> shape) {
    return cairn::Put{.bytes = std::as_bytes(std::span(values)),
                      .tensor = cairn::TensorLayout{.dtype = cairn::DType::f32, .shape = std::move(shape)},
                      .handover = cairn::Handover::borrow,  // read where they are: no copy
                      .name = std::move(name),
                      .attributes = {{"run", "demo"}, {"step", "1"}}};
  };
  const cairn::Ticket ticket =
      store->put_many_async({tensor("weight", weight, {512, 256}), tensor("bias", bias, {512})});
  // ... the next step's forward and backward pass; the tensors must not change before this:
  if (!ticket.staged().wait().ok()) return 1;
  if (const cairn::Status synced = ticket.synced().wait(); !synced.ok()) {
    return std::cerr << synced.error().message << '\n', 1;
  }

  const auto saved = store->list();  // both became visible together
  if (!saved.ok()) return 1;
  for (const cairn::Object& object : saved->objects) {
    const auto bytes = store->get(object.id);  // verified
    if (!bytes.ok()) return std::cerr << bytes.error().message << '\n', 1;
    const std::vector<float>& expected = object.names.front().name == "weight" ? weight : bias;
    if (bytes->size() != expected.size() * sizeof(float)) return 1;
    if (std::memcmp(bytes->data(), expected.data(), bytes->size()) != 0) return 1;
    std::cout << object.names.front().name << ' ' << bytes->size() << " bytes " << object.id << '\n';
  }
  return store->close().ok() ? 0 : 1;
}
