// SPDX-License-Identifier: Apache-2.0
//
// What is written into a request's XML is what a server reads from it.
#include "replication/s3/request_bodies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replication/s3/xml.h"

namespace cairn::s3 {
namespace {

using ::testing::HasSubstr;

TEST(BatchDeleteTest, EveryKeyThatFitsIsReadAsItIs) {
  std::vector<std::string> keys = {"a",
                                   " ",
                                   "a b ",
                                   "<&>\"'",
                                   "]]>",
                                   "line\nbreak",
                                   "carriage\rreturn\r\n",
                                   "tab\t",
                                   "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                                   "&#0;",
                                   "&amp;",
                                   std::string(1024, 'k')};
  for (int byte = 0x20; byte < 0x80; ++byte) keys.push_back(std::string("k") + static_cast<char>(byte));
  const auto body = batch_delete_body(keys);
  ASSERT_TRUE(body.ok()) << body.error().message;
  // The check for a reference to NUL sees the escaped '&' of the key "&#0;" for what it is.
  const auto xml = XmlReply::parse(*body);
  ASSERT_TRUE(xml.ok()) << xml.error().message;
  std::vector<std::string> read;
  for (const pugi::xml_node& object : xml->root().children("Object")) {
    auto key = text(object, "Key");
    ASSERT_TRUE(key.ok()) << key.error().message;
    read.push_back(*key);
  }
  EXPECT_EQ(read, keys);
}

TEST(BatchDeleteTest, AKeyThatXmlHasNoWayToWriteIsRefused) {
  for (const std::string& key : {std::string("a\0b", 3), std::string("\x1b"), std::string("\x80"), std::string("\xc3"),
                                 std::string("\xed\xa0\x80"), std::string("\xc0\x80"), std::string("\xf4\x90\x80\x80"),
                                 std::string("\xef\xbf\xbf")}) {
    EXPECT_FALSE(fits_batch_delete(key));
    const auto body = batch_delete_body({"good", key});
    ASSERT_FALSE(body.ok());
    EXPECT_THAT(body.error().message, HasSubstr("cannot be written in XML"));
  }
  EXPECT_FALSE(batch_delete_body({""}).ok());
  EXPECT_FALSE(batch_delete_body({}).ok());
  EXPECT_TRUE(batch_delete_body(std::vector<std::string>(1000, "k")).ok());
  EXPECT_FALSE(batch_delete_body(std::vector<std::string>(1001, "k")).ok());
}

TEST(CompleteUploadTest, PartsAreInTheirOrder) {
  EXPECT_EQ(complete_upload_body({{1, "\"a\""}, {3, "b"}}).value(),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>"
            "<Part><PartNumber>3</PartNumber><ETag>b</ETag></Part></CompleteMultipartUpload>");
  EXPECT_FALSE(complete_upload_body({}).ok());
  EXPECT_FALSE(complete_upload_body({{0, "a"}}).ok());
  EXPECT_FALSE(complete_upload_body({{2, "a"}, {2, "b"}}).ok());
  EXPECT_FALSE(complete_upload_body({{2, "a"}, {1, "b"}}).ok());
  EXPECT_FALSE(complete_upload_body({{10'001, "a"}}).ok());
  EXPECT_FALSE(complete_upload_body({{1, ""}}).ok());
  EXPECT_FALSE(complete_upload_body({{1, "a\x01"}}).ok());
}

}  // namespace
}  // namespace cairn::s3
