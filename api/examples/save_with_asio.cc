// SPDX-License-Identifier: Apache-2.0
//
// A training loop on one thread: while one step computes, the tensors of the steps before
// are on their way to the disk. Nothing waits, and the program has no thread of its own
// for it: what becomes of a put arrives in the loop, beside timers and sockets.
#include <cairn/asio.h>
#include <cairn/store.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iostream>

namespace {

namespace asio = boost::asio;

// The coroutine's frame holds the tensor: it goes when the store needs it no more.
asio::awaitable<void> save(cairn::Store& store, int step, std::vector<float> weight, bool& failed) {
  cairn::Put put{.bytes = std::as_bytes(std::span(weight)),
                 .tensor = cairn::TensorLayout{.dtype = cairn::DType::f32, .shape = {weight.size()}},
                 .handover = cairn::Handover::borrow,
                 .name = "weight",
                 .attributes = {{"step", std::to_string(step)}}};
  const auto id = co_await cairn::async_put(store, std::move(put), asio::use_awaitable);
  if (id.ok()) {
    std::cout << "step " << step << ' ' << *id << '\n';
  } else {
    std::cerr << "step " << step << ": " << id.error().message << '\n';
    failed = true;
  }
}

asio::awaitable<void> train(asio::io_context& io, cairn::Store& store, bool& failed) {
  std::vector<float> weight(256 * 1024, 0.5F);
  asio::steady_timer compute(io);
  for (int step = 1; step <= 3; ++step) {
    compute.expires_after(std::chrono::milliseconds(20));  // stands for a pass forward and back
    co_await compute.async_wait(asio::use_awaitable);
    for (float& w : weight) w *= 0.75F;
    asio::co_spawn(io, save(store, step, weight, failed), asio::detached);  // and on with the next step
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto store = cairn::Store::open(argc > 1 ? argv[1] : "store", {.mode = cairn::OpenMode::create});
  if (!store.ok()) return std::cerr << store.error().message << '\n', 1;
  bool failed = false;
  asio::io_context io;
  asio::co_spawn(io, train(io, *store, failed), asio::detached);
  io.run();  // until the last put is committed
  return !failed && store->close().ok() ? 0 : 1;
}
