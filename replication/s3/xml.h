// SPDX-License-Identifier: Apache-2.0
//
// The XML of a server's reply, with bounds on what a hostile one can cost, and the strict reading of its fields.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "cairn/result.h"

namespace cairn::s3 {

// A listing of 1,000 keys of 1,024 bytes, each byte encoded as three, has about 3.5 MiB.
inline constexpr std::size_t kReplyBytesMax = 8 << 20;
inline constexpr std::size_t kReplyTagsMax = 100'000;
inline constexpr std::size_t kReplyDepthMax = 16;

// One element with what is in it. A reply with a DTD, a NUL, two roots, too much or an end too early is an error. Every
// error here is transient: a reply that makes no sense was cut or damaged on the way, and asking again may help.
class XmlReply {
 public:
  static Result<XmlReply> parse(std::string_view body);
  pugi::xml_node root() const { return document_->document_element(); }

 private:
  std::unique_ptr<pugi::xml_document> document_;
};

// The text of the one child of that name; nothing where there is none. Errors: there are two, or elements in it.
Result<std::optional<std::string>> optional_text(const pugi::xml_node& parent, const char* name);
// Not there, or empty, is an error.
Result<std::string> text(const pugi::xml_node& parent, const char* name);
Result<bool> flag(const pugi::xml_node& parent, const char* name);
Result<std::uint64_t> number(const pugi::xml_node& parent, const char* name);

}  // namespace cairn::s3
