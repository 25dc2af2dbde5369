// SPDX-License-Identifier: Apache-2.0
//
// The storage of the tests keeps to what every storage does: what is shown with it holds for a server.
#include "tests/support/memory_storage.h"

#include "tests/replication/storage_contract.h"

namespace cairn::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StorageContract,
                         ::testing::Values(StorageUnderTest{.name = "memory",
                                                            .make = [] { return std::make_unique<MemoryStorage>(); }}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace cairn::testing
