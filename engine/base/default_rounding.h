// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic that is the same wherever it is done.
#pragma once

#include <cfenv>
#include <cfloat>

namespace cairn {

#ifdef __FAST_MATH__
#error "what is predicted or reconstructed must be the same everywhere"
#endif
static_assert(FLT_EVAL_METHOD == 0);

// A training process may have changed how its threads round, or flush denormals to zero. For functions that call what
// computes, rather than compute themselves.
class DefaultRounding {
 public:
  DefaultRounding() {
    std::feholdexcept(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultRounding() { std::fesetenv(&before_); }
  DefaultRounding(const DefaultRounding&) = delete;
  DefaultRounding& operator=(const DefaultRounding&) = delete;

 private:
  std::fenv_t before_;
};

}  // namespace cairn
