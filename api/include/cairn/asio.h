// SPDX-License-Identifier: Apache-2.0
//
// Cairn in programs built on Boost.Asio: puts, and the milestones of tickets, as
// asynchronous operations that take any completion token.
//
//   cairn::Put put{.bytes = …, .handover = cairn::Handover::borrow};
//   cairn::Result<std::string> id =
//       co_await cairn::async_put(store, std::move(put), boost::asio::use_awaitable);
//
// This header alone needs Boost, 1.81 or later; the library does not. Programs name a Put
// before they await it: g++ 12 miscompiles braced temporaries inside co_await.
//
// - An operation completes with Cairn's own Result or Status. An error_code could not say
//   which file, whether a retry helps, or that the outcome is unknown; and nothing throws.
// - The handler runs on its associated executor, as if by post(), never inside the
//   initiating call, and counts as outstanding work of that executor until then. Without
//   an executor that is Asio's system executor, with a thread of its own: bind_executor().
// - Memory comes from the handler's associated allocator, in the initiating call, and is
//   returned before the handler runs, on its executor.
// - The execution context is destroyed after the store was closed (declare it before): the
//   store's threads post to it, and may not be done with it when the handler has run.
//   Closing decides every ticket.
#pragma once

#include <atomic>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cairn/store.h"

namespace cairn {
namespace asio_detail {

// A handler that waits for its outcome.
template <class Handler, class Outcome>
class Operation {
 public:
  struct Free {
    void operator()(Operation* operation) const noexcept {
      Allocator allocator = operation->allocator();
      std::allocator_traits<Allocator>::destroy(allocator, operation);
      std::allocator_traits<Allocator>::deallocate(allocator, operation, 1);
    }
  };
  using Owner = std::unique_ptr<Operation, Free>;

  static Owner make(Handler handler) {
    Allocator allocator(boost::asio::get_associated_allocator(handler));
    Operation* const memory = std::allocator_traits<Allocator>::allocate(allocator, 1);
    std::allocator_traits<Allocator>::construct(allocator, memory, std::move(handler));
    return Owner(memory);
  }

  explicit Operation(Handler handler)
      : handler_(std::move(handler)), work_(boost::asio::get_associated_executor(handler_)) {}

  auto cancellation_slot() const noexcept { return boost::asio::get_associated_cancellation_slot(handler_); }

  // Any thread. What crosses to the executor's own is one pointer.
  static void complete(Owner operation, Outcome outcome) {
    operation->outcome_.emplace(std::move(outcome));
    auto executor = operation->work_.get_executor();
    boost::asio::post(executor, [operation = std::move(operation)]() mutable { finish(std::move(operation)); });
  }

 private:
  using Allocator =
      typename std::allocator_traits<boost::asio::associated_allocator_t<Handler>>::template rebind_alloc<Operation>;

  Allocator allocator() const { return Allocator(boost::asio::get_associated_allocator(handler_)); }

  static void finish(Owner operation) {
    if (auto slot = operation->cancellation_slot(); slot.is_connected()) slot.clear();
    const auto work = std::move(operation->work_);
    Handler handler(std::move(operation->handler_));
    Outcome outcome(*std::move(operation->outcome_));
    Operation* const memory = operation.release();
    Allocator allocator(boost::asio::get_associated_allocator(handler));
    std::allocator_traits<Allocator>::destroy(allocator, memory);
    std::allocator_traits<Allocator>::deallocate(allocator, memory, 1);
    std::move(handler)(std::move(outcome));
  }

  Handler handler_;
  boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>> work_;
  std::optional<Outcome> outcome_;
};

// An operation that the first to come completes: the writer, or a cancellation.
template <class Handler, class Outcome>
class Pending {
 public:
  using Started = Operation<Handler, Outcome>;
  explicit Pending(Handler handler) : operation_(Started::make(std::move(handler)).release()) {}
  ~Pending() { typename Started::Owner(operation_.exchange(nullptr)); }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  auto cancellation_slot() const noexcept { return operation_.load()->cancellation_slot(); }

  void complete(Outcome outcome) {
    typename Started::Owner operation(operation_.exchange(nullptr));
    if (operation) Started::complete(std::move(operation), std::move(outcome));
  }

 private:
  std::atomic<Started*> operation_;
};

struct InitiateWait {
  template <class Handler>
  void operator()(Handler&& handler, const Milestone& milestone) const {
    using Waiting = Pending<std::decay_t<Handler>, Status>;
    const auto pending = std::make_shared<Waiting>(std::forward<Handler>(handler));
    if (auto slot = pending->cancellation_slot(); slot.is_connected()) {
      slot.assign([waiting = std::weak_ptr<Waiting>(pending)](boost::asio::cancellation_type) {
        if (const auto cancelled = waiting.lock()) {
          cancelled->complete(Error{.code = ErrorCode::cancelled, .message = "the waiting was cancelled, not the put"});
        }
      });
    }
    milestone.hurry();
    milestone.on_ready([pending](const Status& status) { pending->complete(status); });
  }
};

// Of one ticket: committed, and no memory of it in use.
template <class Outcome, class Ids>
struct InitiatePut {
  Store* store;
  Ids ids;

  template <class Handler>
  void operator()(Handler&& handler, std::vector<Put> puts, const PutOptions& options) const {
    using Putting = Pending<std::decay_t<Handler>, Outcome>;
    const auto pending = std::make_shared<Putting>(std::forward<Handler>(handler));
    const Ticket ticket = store->put_many_async(std::move(puts), options);
    ticket.committed().hurry();
    ticket.committed().on_ready([pending, ticket, of = ids](const Status& committed) {
      ticket.staged().on_ready([pending, ticket, of, committed](const Status&) {
        pending->complete(committed.ok() ? of(ticket) : Outcome(committed.error()));
      });
    });
  }
};

// The writer's budget may be full, and an executor's thread waits for nothing.
inline constexpr PutOptions kNeverBlock{.on_full = OnFull::fail};

}  // namespace asio_detail

// Completes with the milestone, having asked for it as Milestone::wait() does: void(Status).
//
// Cancellation (of any type) ends the waiting with ErrorCode::cancelled and does nothing
// to the put, so that the milestone may be waited for again; memory that was handed over
// is in use until Ticket::staged() all the same.
template <boost::asio::completion_token_for<void(Status)> Token>
auto async_wait(const Milestone& milestone, Token&& token) {
  return boost::asio::async_initiate<Token, void(Status)>(asio_detail::InitiateWait(), token, milestone);
}

// Puts the value, as Store::put does, and completes once it is committed or has failed and
// its memory is free, also with Handover::borrow: void(Result<std::string>), with the id.
//
// A token that initiates later (use_awaitable, deferred) hands the value over when the
// operation is awaited: `store` and the bytes live until then. A put cannot be cancelled;
// to stop waiting for one, take a Ticket from Store::put_async and async_wait() for it.
// With Handover::copy the initiating call copies the bytes; with the others it is short.
//
// When the writer's budget is full the operation fails with ErrorCode::overloaded, to be
// repeated once others have completed; so does every value larger than the whole budget.
// OnFull::block is obeyed: it keeps the thread.
template <boost::asio::completion_token_for<void(Result<std::string>)> Token>
auto async_put(Store& store, Put put, const PutOptions& options, Token&& token) {
  const auto id = [](const Ticket& ticket) { return ticket.id(); };
  std::vector<Put> puts;
  puts.push_back(std::move(put));
  return boost::asio::async_initiate<Token, void(Result<std::string>)>(
      asio_detail::InitiatePut<Result<std::string>, decltype(id)>{&store, id}, token, std::move(puts), options);
}

template <boost::asio::completion_token_for<void(Result<std::string>)> Token>
auto async_put(Store& store, Put put, Token&& token) {
  return async_put(store, std::move(put), asio_detail::kNeverBlock, std::forward<Token>(token));
}

// The same for values that become visible together, as with Store::put_many:
// void(Result<std::vector<std::string>>), with an id for each.
template <boost::asio::completion_token_for<void(Result<std::vector<std::string>>)> Token>
auto async_put_many(Store& store, std::vector<Put> puts, const PutOptions& options, Token&& token) {
  using Ids = Result<std::vector<std::string>>;
  const auto ids = [](const Ticket& ticket) { return ticket.ids(); };
  return boost::asio::async_initiate<Token, void(Ids)>(asio_detail::InitiatePut<Ids, decltype(ids)>{&store, ids}, token,
                                                       std::move(puts), options);
}

template <boost::asio::completion_token_for<void(Result<std::vector<std::string>>)> Token>
auto async_put_many(Store& store, std::vector<Put> puts, Token&& token) {
  return async_put_many(store, std::move(puts), asio_detail::kNeverBlock, std::forward<Token>(token));
}

}  // namespace cairn
