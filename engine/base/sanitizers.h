// SPDX-License-Identifier: Apache-2.0
//
// Which sanitizer this is compiled for: 1 or 0. GCC defines a macro of its own, clang 14 answers
// __has_feature.
#pragma once

#if defined(__has_feature)
#define CAIRN_HAS_FEATURE(feature) __has_feature(feature)
#else
#define CAIRN_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || CAIRN_HAS_FEATURE(address_sanitizer)
#define CAIRN_ADDRESS_SANITIZER 1
#else
#define CAIRN_ADDRESS_SANITIZER 0
#endif

#if defined(__SANITIZE_THREAD__) || CAIRN_HAS_FEATURE(thread_sanitizer)
#define CAIRN_THREAD_SANITIZER 1
#else
#define CAIRN_THREAD_SANITIZER 0
#endif
