// SPDX-License-Identifier: Apache-2.0
//
// Operations: expensive computations that are done once, and whose value is kept under a key.
//
// Whoever claims a key computes; everybody else waits and is woken with the value. A claim is a
// lease: who does not show signs of life loses it, and cannot publish from then on, because the
// write that publishes asks whether the claim is still the one that was made. A claim does not
// outlive the process that made it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/objects.h"
#include "cairn/result.h"
#include "cairn/ticket.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

// What a computation gave.
struct OperationValue {
  std::string bytes;                 // at most 1,000,000; more is content: put it, and keep its id here
  std::string serializer = "bytes";  // what reads them again; at most 256 bytes
};

struct ClaimOptions {
  // Of the store's own time, which nobody can set. The claim is lost when it is over.
  std::chrono::nanoseconds lease = std::chrono::seconds(30);
  // A thread of the store renews the lease for as long as the process runs. Otherwise the holder
  // calls renew().
  bool keep_alive = true;
};

struct Claim {
  std::string key;
  std::uint64_t token = 0;  // higher than that of every claim before, of any key
};

enum class OperationState : std::uint8_t {
  none = 0,  // there is no such operation
  running = 1,
  done = 2,
  failed = 3,     // may be claimed again
  abandoned = 4,  // it was claimed, and its holder lost the claim or is gone; may be claimed again
};

std::string_view operation_state_name(OperationState state) noexcept;  // "running", …

struct OperationInfo {
  std::string key;
  OperationState state = OperationState::none;
  OperationValue value;           // of done; list() leaves the bytes out
  std::uint64_t value_bytes = 0;  // of done
  std::string message;            // of failed
  std::string owner;              // the opening of the store that claimed it: 32 hexadecimal digits
  std::uint64_t attempts = 0;     // how often it was claimed
  // By the machine's clock, since the Unix epoch, for people to read.
  std::int64_t claimed_ns = 0;
  std::int64_t finished_ns = 0;  // of done and failed
};

struct ClaimOutcome {
  std::optional<Claim> claim;  // nothing: see `operation`
  OperationInfo operation;     // running (somebody has it) or done
};

struct OperationPage {
  std::vector<OperationInfo> operations;  // by key
  std::string next;                       // the cursor for the page behind; empty: this was the last
};

class StoreImpl;

// Borrows its Store; any number of threads. Keys have 1 to 2,048 bytes, any of them. What is
// published is found at once, and survives a crash from the ticket's synced() on; a crash before
// takes it away, and it is computed again. Closing the store ends every wait with
// ErrorCode::cancelled.
class Operations {
 public:
  Result<ClaimOutcome> claim(const std::string& key, const ClaimOptions& options = {});
  // The holder's signs of life, and what ends a claim. ErrorCode::conflict when it is lost: then
  // nothing was written. After another error the claim is still held, and the call may be repeated;
  // a conflict then may mean that the first call has had its effect.
  Status renew(const Claim& claim);
  Result<Ticket> complete(const Claim& claim, OperationValue value, const PutOptions& options = {});
  Result<Ticket> fail(const Claim& claim, const std::string& message);

  Result<bool> is_running(const std::string& key);
  Result<OperationInfo> find(const std::string& key);
  // Until it is not running. OperationState::running: the time was too short.
  Result<OperationInfo> wait(const std::string& key, std::optional<std::chrono::nanoseconds> time = {});
  // Calls `then` once, when it is not running: at once and on this thread, or on the thread that
  // ends it, which it must not keep. What it throws is dropped.
  Status on_finished(const std::string& key, std::function<void(const OperationInfo&)> then);

  // The value that is there, or that of `compute`, which at most one thread at a time calls for a
  // key. All who wait for it meanwhile get its value or its error; what it throws becomes
  // ErrorCode::cancelled with the message. An error is no value: whoever calls next computes
  // again. The lease is always kept alive. A computation that asks for its own key is
  // ErrorCode::invalid_argument.
  Result<OperationValue> get_or_compute(const std::string& key, const std::function<Result<OperationValue>()>& compute,
                                        const ClaimOptions& options = {});

  Result<OperationPage> list(const std::string& cursor = {}, std::size_t limit = 1000,
                             std::optional<OperationState> state = {});
  // Forgets what is not running, durably; false when there was nothing. ErrorCode::conflict when
  // it runs.
  Result<bool> remove(const std::string& key);

 private:
  friend class Store;
  explicit Operations(StoreImpl& store) : store_(&store) {}
  StoreImpl* store_;
};

}  // namespace cairn
#pragma GCC visibility pop
