// SPDX-License-Identifier: Apache-2.0
//
// Where credentials come from, where they do not, and that none of the ways leaves one behind.
#include "replication/s3/credential_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "tests/replication/freed_memory.h"

namespace cairn::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

#define CANARY "canary-5e0c77aa-longer-than-any-short-string"
constexpr std::string_view kReply =
    "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"" CANARY
    "\",\"Token\":\"" CANARY "\",\"Expiration\":\"2030-01-01T00:00:00Z\"}";

class CredentialSourcesTest : public ::testing::Test {
 protected:
  CredentialSourcesTest() {
    surroundings_.variable = [this](const std::string& name) -> std::optional<std::string_view> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    surroundings_.file = [this](const std::string& path) -> Result<std::optional<Secret>> {
      const auto found = files_.find(path);
      if (found == files_.end()) return std::optional<Secret>();
      return std::optional<Secret>(Secret(found->second));
    };
    surroundings_.exchange = [this](const EndpointRequest& request) -> Result<EndpointReply> {
      std::string asked = request.method + " " + (request.endpoint.tls ? "https://" : "http://") +
                          request.endpoint.authority() + request.path;
      for (const EndpointHeader& header : request.headers) asked += " " + header.name;
      last_headers_ = request.headers;
      asked_.push_back(asked);
      const std::size_t step = asked_.size() - 1;
      if (step >= replies_.size()) return Error{.message = "connection refused", .retryable = true};
      return EndpointReply{.status = replies_[step].first, .body = Secret(replies_[step].second)};
    };
    surroundings_.now = [] { return Time(); };
  }

  using Source = Result<std::optional<Credentials>> (*)(const Surroundings&);
  // "ID from SOURCE", "none", or the error.
  std::string outcome(Source source) {
    asked_.clear();
    const FreedMemoryWatch watch(CANARY);
    const auto found = source(surroundings_);
    EXPECT_EQ(watch.found(), 0u);
    if (!found.ok()) {
      EXPECT_THAT(found.error().message, Not(HasSubstr("canary")));
      return found.error().message;
    }
    if (!*found) return "none";
    EXPECT_EQ((*found)->key.secret.reveal(), CANARY);
    return (*found)->key.id + " from " + (*found)->source;
  }

  std::map<std::string, std::string_view> variables_;
  std::map<std::string, std::string_view> files_;
  std::vector<std::pair<int, std::string_view>> replies_;
  std::vector<std::string> asked_;
  std::vector<EndpointHeader> last_headers_;
  Surroundings surroundings_;
};

TEST_F(CredentialSourcesTest, TheEnvironmentHasAPairOrNothing) {
  const auto from = [this] { return outcome(&credentials_from_environment); };
  EXPECT_EQ(from(), "none");
  variables_["AWS_ACCESS_KEY_ID"] = "";
  EXPECT_EQ(from(), "none");
  variables_["AWS_ACCESS_KEY_ID"] = "AKIA1";
  EXPECT_EQ(from(), "the environment has AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY");
  variables_["AWS_SECRET_ACCESS_KEY"] = CANARY;
  EXPECT_EQ(from(), "AKIA1 from the environment");
  EXPECT_FALSE(credentials_from_environment(surroundings_).value()->expires);
  variables_["AWS_SESSION_TOKEN"] = "token";
  variables_["AWS_CREDENTIAL_EXPIRATION"] = "2013-05-24T00:00:00+00:00";
  const auto found = credentials_from_environment(surroundings_);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)->key.session_token.reveal(), "token");
  EXPECT_EQ(readable_time(*(*found)->expires), "2013-05-24T00:00:00Z");
  variables_["AWS_CREDENTIAL_EXPIRATION"] = "tomorrow";
  EXPECT_THAT(from(), HasSubstr("AWS_CREDENTIAL_EXPIRATION: 'tomorrow' is no time"));
  variables_.erase("AWS_ACCESS_KEY_ID");
  EXPECT_THAT(from(), HasSubstr("AWS_SECRET_ACCESS_KEY without AWS_ACCESS_KEY_ID"));
}

TEST_F(CredentialSourcesTest, TheProfileIsInEitherFileAndTheCredentialsFileGoesFirst) {
  const auto from = [this] { return outcome(&credentials_from_profile); };
  EXPECT_EQ(from(), "none");
  variables_["HOME"] = "/root";
  EXPECT_EQ(from(), "none");
  files_["/root/.aws/config"] =
      "[default]\nregion=eu-north-1\naws_access_key_id=AKIA2\naws_secret_access_key=" CANARY
      "\n[profile dev]\naws_access_key_id=AKIA3\naws_secret_access_key=" CANARY
      "\n[profile \"two words\"]\naws_access_key_id=AKIA4\naws_secret_access_key=" CANARY "\n";
  EXPECT_EQ(from(), "AKIA2 from profile 'default' in /root/.aws/config");
  files_["/root/.aws/credentials"] =
      "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=" CANARY "\naws_session_token=" CANARY "\n";
  EXPECT_EQ(from(), "AKIA1 from profile 'default' in /root/.aws/credentials");
  EXPECT_EQ(credentials_from_profile(surroundings_).value()->key.session_token.reveal(), CANARY);
  variables_["AWS_PROFILE"] = "dev";
  EXPECT_EQ(from(), "AKIA3 from profile 'dev' in /root/.aws/config");
  variables_["AWS_PROFILE"] = "two words";
  EXPECT_EQ(from(), "AKIA4 from profile 'two words' in /root/.aws/config");
  variables_["AWS_CONFIG_FILE"] = "/elsewhere";
  EXPECT_THAT(from(), HasSubstr("profile 'two words', which AWS_PROFILE names, is in neither file"));
}

TEST_F(CredentialSourcesTest, AProfileThatIsHalfOrElsewhereIsAnErrorAndNotPassedOver) {
  const auto from = [this] { return outcome(&credentials_from_profile); };
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "/c";
  files_["/c"] = "[default]\naws_secret_access_key=" CANARY "\n";
  EXPECT_EQ(from(), "profile 'default' in /c has aws_secret_access_key without aws_access_key_id");
  files_["/c"] = "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=\n";
  EXPECT_EQ(from(), "profile 'default' in /c has aws_access_key_id without aws_secret_access_key");
  files_["/c"] = "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = other\n";
  EXPECT_THAT(from(), HasSubstr("gets its credentials by role_arn, which is not supported"));
  files_["/c"] = "[default]\nregion = eu-west-1\n";
  EXPECT_EQ(from(), "none");
  files_["/c"] = "[default]\n" CANARY "\n";
  EXPECT_EQ(from(), "/c line 2 is neither [section] nor name = value");
  surroundings_.file = [](const std::string& path) -> Result<std::optional<Secret>> {
    return Error{.message = "read " + path + ": Permission denied"};
  };
  EXPECT_EQ(from(), "read /c: Permission denied");
}

TEST_F(CredentialSourcesTest, TheRegionIsTheEnvironmentsOrTheProfiles) {
  const auto region = [this] { return configured_region(surroundings_).value().value_or("none"); };
  EXPECT_EQ(region(), "none");
  variables_["HOME"] = "/root";
  files_["/root/.aws/credentials"] = "[default]\nregion=a\n";
  EXPECT_EQ(region(), "a");
  files_["/root/.aws/config"] = "[profile default]\nregion=b\n";
  EXPECT_EQ(region(), "b");
  variables_["AWS_DEFAULT_REGION"] = "c";
  EXPECT_EQ(region(), "c");
  variables_["AWS_REGION"] = "d";
  EXPECT_EQ(region(), "d");
}

TEST_F(CredentialSourcesTest, TheEndpointIsTheEnvironmentsAndOfS3First) {
  EXPECT_EQ(configured_endpoint(surroundings_), "");
  variables_["AWS_ENDPOINT_URL"] = "http://all:1";
  EXPECT_EQ(configured_endpoint(surroundings_), "http://all:1");
  variables_["AWS_ENDPOINT_URL_S3"] = "http://s3:2";
  EXPECT_EQ(configured_endpoint(surroundings_), "http://s3:2");
}

TEST_F(CredentialSourcesTest, AContainersEndpointIsAskedWithItsToken) {
  const auto from = [this] { return outcome(&credentials_from_container); };
  EXPECT_EQ(from(), "none");
  EXPECT_TRUE(asked_.empty());
  replies_ = {{200, kReply}};
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/7?x=1";
  EXPECT_EQ(from(), "ASIA1 from the container's credential endpoint '169.254.170.2'");
  EXPECT_EQ(asked_.at(0), "GET http://169.254.170.2/v2/credentials/7?x=1");
  variables_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://169.254.170.23/v1/credentials";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "from the variable";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/token";
  EXPECT_THAT(from(), HasSubstr("names /token, which is not there"));
  files_["/token"] = CANARY "\r\n";
  EXPECT_THAT(from(), HasSubstr("ASIA1"));
  EXPECT_EQ(asked_.at(0), "GET http://169.254.170.23/v1/credentials Authorization");
  EXPECT_EQ(last_headers_.at(0).value.reveal(), CANARY);
  files_["/token"] = CANARY "\r\nHost: elsewhere\n";
  EXPECT_EQ(from(), "/token holds a line break or other than ASCII");
}

TEST_F(CredentialSourcesTest, AContainersTokenGoesWithoutTlsToThisMachineAndTheAgentsAlone) {
  const auto asked_by = [this](std::string_view uri) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri;
    replies_ = {{200, kReply}};
    const std::string words = outcome(&credentials_from_container);
    return asked_.empty() ? words : asked_.at(0);
  };
  for (const std::string uri : {"http://localhost:8080/x", "http://127.0.0.1/x", "http://127.9.9.9/x", "http://[::1]/x",
                                "http://169.254.170.2/x", "http://[fd00:ec2::23]/x", "https://example.com/x"}) {
    EXPECT_EQ(asked_by(uri), "GET " + uri);
  }
  EXPECT_EQ(asked_by("https://example.com"), "GET https://example.com/");
  for (const char* uri : {"http://example.com/x", "http://169.254.170.3/x", "http://127.evil.com/x",
                          "http://127.0.0.1.evil.com/x", "http://localhost.evil.com/x", "http://[::2]/x"}) {
    EXPECT_THAT(asked_by(uri), HasSubstr("which is asked over https only")) << uri;
  }
  for (const char* uri : {"localhost/x", "file:///x", "http://user:canary@localhost/x", "http://localhost/x y",
                          "http://localhost/x\r\ny", "http://localhost\t/x", "http://localhost/x#y"}) {
    EXPECT_THAT(asked_by(uri), HasSubstr("AWS_CONTAINER_CREDENTIALS_FULL_URI")) << uri;
  }
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@evil.com/";
  EXPECT_THAT(asked_by(""), HasSubstr("does not begin its path with '/'"));
}

TEST_F(CredentialSourcesTest, AnEndpointsAnswerIsCompleteOrAnError) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/x";
  const auto from = [this](int status, std::string_view body) {
    replies_ = {{status, body}};
    return outcome(&credentials_from_container);
  };
  EXPECT_THAT(from(404, CANARY), HasSubstr("answered 404"));
  EXPECT_THAT(from(302, kReply), HasSubstr("answered 302"));
  EXPECT_THAT(from(200, ""), HasSubstr("no JSON object at byte 0"));
  EXPECT_THAT(from(200, "{}"), HasSubstr("answered without AccessKeyId"));
  EXPECT_THAT(from(200, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"\"}"), HasSubstr("without SecretAccessKey"));
  EXPECT_THAT(from(200, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"" CANARY "\"}"), HasSubstr("without Expiration"));
  EXPECT_THAT(from(200, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\",\"Expiration\":\"" CANARY "\"}"),
              HasSubstr("an Expiration that is no time"));
  EXPECT_THAT(from(200, "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}"), HasSubstr("code 'AssumeRoleUnauth"));
  for (std::size_t size = 0; size < kReply.size(); ++size) {
    EXPECT_THAT(from(200, kReply.substr(0, size)), HasSubstr("no JSON object at byte"));
  }
  for (const auto& [status, retryable] : {std::pair{503, true}, {429, true}, {404, false}, {403, false}}) {
    replies_ = {{status, ""}};
    asked_.clear();
    EXPECT_EQ(credentials_from_container(surroundings_).error().retryable, retryable) << status;
  }
}

TEST_F(CredentialSourcesTest, AMachinesRoleIsAskedForWithASessionToken) {
  replies_ = {{200, "SESSION"}, {200, "my-role\nanother"}, {200, kReply}};
  EXPECT_EQ(outcome(&credentials_from_instance), "ASIA1 from the metadata service '169.254.169.254'");
  EXPECT_THAT(asked_,
              ::testing::ElementsAre(
                  "PUT http://169.254.169.254/latest/api/token X-aws-ec2-metadata-token-ttl-seconds",
                  "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/ X-aws-ec2-metadata-token",
                  "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/my-role "
                  "X-aws-ec2-metadata-token"));
  EXPECT_EQ(last_headers_.at(0).value.reveal(), "SESSION");
}

TEST_F(CredentialSourcesTest, WhereNoMachineHasARoleThereIsNone) {
  const auto from = [this](std::vector<std::pair<int, std::string_view>> replies) {
    replies_ = std::move(replies);
    return outcome(&credentials_from_instance);
  };
  EXPECT_EQ(from({}), "none");
  EXPECT_EQ(from({{403, ""}}), "none");
  EXPECT_EQ(from({{200, "SESSION"}, {404, ""}}), "none");
  EXPECT_THAT(from({{500, ""}}), HasSubstr("answered 500"));
  EXPECT_THAT(from({{200, ""}}), HasSubstr("a session token that is none"));
  EXPECT_THAT(from({{200, "two\r\nlines"}}), HasSubstr("a session token that is none"));
  EXPECT_THAT(from({{200, "SESSION"}}), HasSubstr("connection refused"));
  for (const std::string_view role : {"", "../../x", "a b", "<html>"}) {
    EXPECT_THAT(from({{200, "SESSION"}, {200, role}}), HasSubstr("a name that no role has"));
  }
  EXPECT_THAT(from({{200, "SESSION"}, {200, "role"}, {401, ""}}), HasSubstr("answered 401"));
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://[fd00:ec2::254]";
  EXPECT_THAT(from({}), HasSubstr("connection refused"));
  EXPECT_THAT(asked_.at(0), HasSubstr("PUT http://[fd00:ec2::254]/latest/api/token"));
  variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_EQ(from({}), "none");
  EXPECT_TRUE(asked_.empty());
}

TEST(SystemSurroundingsTest, FilesAreRegularAndVariablesReal) {
  const Surroundings surroundings = system_surroundings({});
  ::setenv("CAIRN_S3_TEST_VARIABLE", "here", 1);
  EXPECT_EQ(surroundings.variable("CAIRN_S3_TEST_VARIABLE"), "here");
  ::unsetenv("CAIRN_S3_TEST_VARIABLE");
  EXPECT_FALSE(surroundings.variable("CAIRN_S3_TEST_VARIABLE"));
  EXPECT_FALSE(surroundings.file("/no/such/file").value());
  EXPECT_THAT(surroundings.file("/dev/zero").error().message, HasSubstr("/dev/zero is no regular file"));
  EXPECT_FALSE(surroundings.file("/").ok());
  EXPECT_GT(surroundings.now(), std::chrono::sys_days(std::chrono::year(2020) / 1 / 1));
}

}  // namespace
}  // namespace cairn::s3
