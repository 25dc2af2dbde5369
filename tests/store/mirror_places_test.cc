// SPDX-License-Identifier: Apache-2.0
//
// Where a store's mirrors are: noted in its folder, and gone with it.
#include <gtest/gtest.h>

#include "cairn/mirrors.h"
#include "tests/store/mirror_fixture.h"

namespace cairn::testing {
namespace {

const MirrorPlace kPlace{.url = "s3://bucket/prefix", .endpoint = "https://host:8443", .region = "eu-central-1"};

class MirrorPlacesTest : public MirrorTest {
 protected:
  // Without S3 in this build there is no place that it could have.
  void SetUp() override {
    OpenedStore store = open("probe");
    const Status added = store.store.mirrors().add("probe", kPlace);
    if (!added.ok() && added.error().code == ErrorCode::unsupported) GTEST_SKIP() << added.error().message;
    ASSERT_TRUE(added.ok()) << added.error().message;
  }
};

TEST_F(MirrorPlacesTest, APlaceIsThereAfterOpeningAgainAndForReaders) {
  {
    OpenedStore a = open("a");
    ASSERT_TRUE(a.store.mirrors().add("cloud", kPlace).ok());
    ASSERT_TRUE(a.store.mirrors().add("backup.2", {.url = "s3://other"}).ok());
    ASSERT_TRUE(a.store.mirrors().add("cloud", kPlace).ok()) << "the same again";
    EXPECT_EQ(a.store.mirrors().add("cloud", {.url = "s3://other"}).error().code, ErrorCode::already_exists);
    ASSERT_TRUE(a.store.close().ok());
  }
  OpenedStore reader = open("a", Access::read_only);
  const auto mirrors = reader.store.mirrors().list();
  ASSERT_TRUE(mirrors.ok()) << mirrors.error().message;
  ASSERT_EQ(mirrors->size(), 2u);
  EXPECT_EQ(mirrors->front().name, "backup.2");
  EXPECT_EQ(mirrors->back().place, kPlace);
  EXPECT_TRUE(*reader.store.mirrors().remove("cloud"));
  EXPECT_FALSE(*reader.store.mirrors().remove("cloud"));
  EXPECT_EQ(reader.store.mirrors().list()->size(), 1u);
  EXPECT_EQ(reader.store.mirrors().push("cloud").error().code, ErrorCode::not_found);
}

TEST_F(MirrorPlacesTest, ANameOrPlaceThatMakesNoSenseIsRefusedAndLeadsNowhere) {
  OpenedStore a = open("a");
  for (const std::string name : {"", "..", ".hidden", "a/b", "a b", "../../etc/x", "-flag"}) {
    EXPECT_EQ(a.store.mirrors().add(name, kPlace).error().code, ErrorCode::invalid_argument) << name;
    EXPECT_FALSE(a.store.mirrors().remove(name).ok()) << name;
  }
  EXPECT_EQ(a.store.mirrors().add(std::string(65, 'a'), kPlace).error().code, ErrorCode::invalid_argument);
  for (const MirrorPlace& place :
       {MirrorPlace{.url = "http://bucket"}, MirrorPlace{.url = "s3://B"}, MirrorPlace{.url = ""},
        MirrorPlace{.url = "s3://bucket", .endpoint = "https://user:canary@host"},
        MirrorPlace{.url = "s3://bucket", .endpoint = {}, .region = "two words"}}) {
    const Status added = a.store.mirrors().add("name", place);
    EXPECT_FALSE(added.ok()) << place.url;
    EXPECT_EQ(added.ok()                                                  ? ""
              : added.error().message.find("canary") == std::string::npos ? ""
                                                                          : "canary",
              std::string());
  }
  EXPECT_TRUE(a.store.mirrors().list()->empty());
}

TEST_F(MirrorPlacesTest, AFileThatIsNoPlaceIsNamed) {
  OpenedStore a = open("a");
  ASSERT_TRUE(a.store.mirrors().add("cloud", kPlace).ok());
  for (const std::string text : {"", "{", "[]", "{\"url\": 1}", "{\"url\": \"s3://b\"}"}) {
    ASSERT_TRUE(write_file_atomically(fs_, "a/mirrors/cloud", std::as_bytes(std::span(text))).ok());
    const auto mirrors = a.store.mirrors().list();
    ASSERT_FALSE(mirrors.ok()) << text;
    EXPECT_EQ(mirrors.error().code, ErrorCode::corruption);
    EXPECT_NE(mirrors.error().message.find("a/mirrors/cloud"), std::string::npos) << mirrors.error().message;
  }
  EXPECT_TRUE(*a.store.mirrors().remove("cloud"));
}

TEST_F(MirrorPlacesTest, AStoreThatIsDestroyedLeavesNoPlaceBehind) {
  {
    OpenedStore a = open("a");
    ASSERT_TRUE(a.store.mirrors().add("cloud", kPlace).ok());
    ASSERT_TRUE(a.store.close().ok());
  }
  ASSERT_TRUE(StoreImpl::destroy(fs_, "a").ok());
  EXPECT_FALSE(fs_.info("a").ok());
}

class DatabasePlacesTest : public MirrorTest {};

TEST_F(DatabasePlacesTest, ADatabaseIsAPlaceWithoutItsPassword) {
  OpenedStore a = open("a");
  const Status added = a.store.mirrors().add("db", {.url = "postgresql://host/results", .ca_file = "/ca.pem"});
  if (!added.ok() && added.error().code == ErrorCode::unsupported) GTEST_SKIP() << added.error().message;
  ASSERT_TRUE(added.ok()) << added.error().message;
  ASSERT_TRUE(a.store.mirrors().add("db.2", {.url = "postgres://user@host/results?sslmode=require"}).ok());
  for (const MirrorPlace& place :
       {MirrorPlace{.url = "postgresql://user:canary@host/results"},
        MirrorPlace{.url = "postgres://host/results?password=canary"},
        MirrorPlace{.url = "postgresql://user:canary@host/results?nonsense=1"},
        MirrorPlace{.url = "postgresq://user:canary@host/results"}, MirrorPlace{.url = "host=h password=canary"},
        MirrorPlace{.url = "postgresql://host/results", .endpoint = "https://host"},
        MirrorPlace{.url = "postgresql://host/results", .endpoint = {}, .region = "eu-central-1"}}) {
    const Status refused = a.store.mirrors().add("name", place);
    ASSERT_FALSE(refused.ok()) << place.url;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument) << place.url;
    EXPECT_EQ(refused.error().message.find("canary"), std::string::npos) << refused.error().message;
  }
  const Status refused = a.store.mirrors().add("name", {.url = "postgresql://user:canary@host/results"});
  EXPECT_NE(refused.error().message.find(".pgpass"), std::string::npos) << refused.error().message;
  EXPECT_EQ(a.store.mirrors().list()->size(), 2u);
}

}  // namespace
}  // namespace cairn::testing
