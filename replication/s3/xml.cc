// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/xml.h"

#include <algorithm>
#include <charconv>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

// A reference to the character 0, which no XML has and the parser would take for the end of a text; or to one of so
// many digits that the parser's number for it could come round to 0.
bool has_zero_reference(std::string_view body) {
  constexpr std::size_t kDigitsMax = 7;
  for (auto at = body.find("&#"); at != std::string_view::npos; at = body.find("&#", at + 2)) {
    std::string_view digits = body.substr(at + 2);
    if (digits.starts_with('x')) digits.remove_prefix(1);
    digits = digits.substr(0, digits.find_first_not_of("0123456789abcdefABCDEF"));
    const auto zeros = std::min(digits.find_first_not_of('0'), digits.size());
    if (!digits.empty() && (zeros == digits.size() || digits.size() - zeros > kDigitsMax)) return true;
  }
  return false;
}

// Without recursion, since the depth is the sender's.
std::size_t depth_of(const pugi::xml_node& root) {
  struct Deepest : pugi::xml_tree_walker {
    std::size_t found = 0;
    bool for_each(pugi::xml_node& /*node*/) override {
      found = std::max(found, static_cast<std::size_t>(depth()) + 1);
      return found <= kReplyDepthMax;
    }
  } deepest;
  pugi::xml_node node = root;
  node.traverse(deepest);
  return deepest.found;
}

}  // namespace

Result<XmlReply> XmlReply::parse(std::string_view body) {
  if (body.size() > kReplyBytesMax) return transient_error("the reply's XML is longer than 8 MiB");
  if (body.find('\0') != std::string_view::npos || has_zero_reference(body)) {
    return transient_error("the reply's XML holds a NUL, or a reference to one");
  }
  if (static_cast<std::size_t>(std::count(body.begin(), body.end(), '<')) > kReplyTagsMax) {
    return transient_error("the reply's XML has more than 100000 tags");
  }
  XmlReply reply;
  reply.document_ = std::make_unique<pugi::xml_document>();
  // A text of spaces alone is kept where it is all that an element has: it may be a key.
  constexpr unsigned kOptions = pugi::parse_default | pugi::parse_doctype | pugi::parse_ws_pcdata_single;
  const auto parsed = reply.document_->load_buffer(body.data(), body.size(), kOptions, pugi::encoding_utf8);
  if (!parsed) {
    return transient_error("the reply is no XML at byte " + std::to_string(parsed.offset) + " of " +
                           std::to_string(body.size()) + ": " + parsed.description());
  }
  std::size_t roots = 0;
  for (const pugi::xml_node& node : reply.document_->children()) {
    if (node.type() == pugi::node_doctype) return transient_error("the reply's XML has a DTD");
    if (node.type() == pugi::node_element) ++roots;
  }
  if (roots != 1) return transient_error("the reply's XML has " + std::to_string(roots) + " roots");
  if (depth_of(reply.root()) > kReplyDepthMax) return transient_error("the reply's XML is deeper than 16 elements");
  return reply;
}

Result<std::optional<std::string>> optional_text(const pugi::xml_node& parent, const char* name) {
  const auto where = [&] { return std::string(name) + " in " + quoted(parent.name()); };
  const pugi::xml_node child = parent.child(name);
  if (!child) return std::optional<std::string>();
  if (child.next_sibling(name)) return transient_error("the reply has two " + where());
  std::string result;
  for (const pugi::xml_node& part : child.children()) {
    if (part.type() == pugi::node_element) return transient_error("the reply has elements in " + where());
    if (part.type() == pugi::node_pcdata || part.type() == pugi::node_cdata) result += part.value();
  }
  return std::optional<std::string>(std::move(result));
}

Result<std::string> text(const pugi::xml_node& parent, const char* name) {
  CAIRN_TRY(std::optional<std::string> found, optional_text(parent, name));
  if (!found || found->empty()) {
    return transient_error("the reply has no " + std::string(name) + " in " + quoted(parent.name()));
  }
  return *std::move(found);
}

Result<bool> flag(const pugi::xml_node& parent, const char* name) {
  CAIRN_TRY(const std::string value, text(parent, name));
  if (value == "true") return true;
  if (value == "false") return false;
  return transient_error("the reply's " + std::string(name) + " is " + quoted(value) + ", not true or false");
}

Result<std::uint64_t> number(const pugi::xml_node& parent, const char* name) {
  CAIRN_TRY(const std::string value, text(parent, name));
  std::uint64_t result = 0;
  const char* const last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, result);
  if (error != std::errc() || end != last) {
    return transient_error("the reply's " + std::string(name) + " is " + quoted(value) + ", no number");
  }
  return result;
}

}  // namespace cairn::s3
