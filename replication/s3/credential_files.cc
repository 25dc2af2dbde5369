// SPDX-License-Identifier: Apache-2.0
//
// Credentials that somebody has written down: in the environment or below ~/.aws.
#include "replication/s3/credential_sources.h"
#include "replication/s3/ini.h"
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

constexpr std::string_view kElsewhere[] = {"role_arn",       "credential_process", "sso_session",
                                           "sso_account_id", "sso_start_url",      "web_identity_token_file"};

// Empty for one that is not set.
std::string_view variable(const Surroundings& surroundings, const char* name) {
  return surroundings.variable(name).value_or(std::string_view());
}

Error incomplete(const std::string& where, std::string_view has, std::string_view lacks) {
  return make_error(ErrorCode::invalid_argument, where + " has " + std::string(has) + " without " + std::string(lacks));
}

struct ProfileName {
  std::string name;
  bool is_chosen = false;  // rather than taken by default
};

ProfileName profile_name(const Surroundings& surroundings) {
  for (const char* name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (const std::string_view chosen = variable(surroundings, name); !chosen.empty()) {
      return {.name = std::string(chosen), .is_chosen = true};
    }
  }
  return {.name = "default"};
}

// A file of profiles, with the name that the profile's section has in it. What `ini` has are views into `text`, which
// stays where it is when moved and would not when copied.
struct ProfileFile {
  ProfileFile() = default;
  ProfileFile(ProfileFile&&) = default;
  ProfileFile& operator=(ProfileFile&&) = default;

  std::string path;
  Secret text;
  Ini ini;
  std::string section;

  bool has_profile() const { return ini.has_section(section); }
  std::string_view value(std::string_view name) const { return ini.value(section, name).value_or(std::string_view()); }
};

// Nothing where there is no such file, or no home to have it in.
Result<std::optional<ProfileFile>> profile_file(const Surroundings& surroundings, const char* path_variable,
                                                const char* below_home, const std::vector<std::string>& sections) {
  ProfileFile file;
  file.path = variable(surroundings, path_variable);
  if (file.path.empty()) {
    const std::string_view home = variable(surroundings, "HOME");
    if (home.empty()) return std::optional<ProfileFile>();
    file.path = std::string(home) + below_home;
  }
  CAIRN_TRY(std::optional<Secret> text, surroundings.file(file.path));
  if (!text) return std::optional<ProfileFile>();
  file.text = *std::move(text);
  CAIRN_TRY(file.ini, Ini::parse(file.text.reveal(), file.path));
  file.section = sections.front();
  for (const std::string& section : sections) {
    if (file.ini.has_section(section)) file.section = section;
  }
  return std::optional<ProfileFile>(std::move(file));
}

Result<std::optional<ProfileFile>> credentials_file(const Surroundings& surroundings, const std::string& profile) {
  return profile_file(surroundings, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", {profile});
}
Result<std::optional<ProfileFile>> config_file(const Surroundings& surroundings, const std::string& profile) {
  std::vector<std::string> sections = {"profile " + profile, "profile \"" + profile + "\""};
  if (profile == "default") sections.push_back(profile);
  return profile_file(surroundings, "AWS_CONFIG_FILE", "/.aws/config", sections);
}

Result<std::optional<Credentials>> credentials_in(const ProfileFile& file, const std::string& profile) {
  const std::string where = "profile " + quoted(profile) + " in " + file.path;
  const std::string_view id = file.value("aws_access_key_id"), secret = file.value("aws_secret_access_key");
  if (id.empty() != secret.empty()) {
    return id.empty() ? incomplete(where, "aws_secret_access_key", "aws_access_key_id")
                      : incomplete(where, "aws_access_key_id", "aws_secret_access_key");
  }
  if (id.empty()) {
    for (const std::string_view name : kElsewhere) {
      if (file.value(name).empty()) continue;
      return make_error(ErrorCode::unsupported, where + " gets its credentials by " + std::string(name) +
                                                    ", which is not supported: put the keys into the environment, "
                                                    "as `aws configure export-credentials` prints them");
    }
    return std::optional<Credentials>();
  }
  return std::optional<Credentials>({.key = {.id = std::string(id),
                                             .secret = Secret(secret),
                                             .session_token = Secret(file.value("aws_session_token"))},
                                     .expires = {},
                                     .source = where});
}

}  // namespace

Result<std::optional<Credentials>> credentials_from_environment(const Surroundings& surroundings) {
  const std::string_view id = variable(surroundings, "AWS_ACCESS_KEY_ID");
  const std::string_view secret = variable(surroundings, "AWS_SECRET_ACCESS_KEY");
  if (id.empty() && secret.empty()) return std::optional<Credentials>();
  if (secret.empty()) return incomplete("the environment", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
  if (id.empty()) return incomplete("the environment", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID");
  Credentials found{.key = {.id = std::string(id),
                            .secret = Secret(secret),
                            .session_token = Secret(variable(surroundings, "AWS_SESSION_TOKEN"))},
                    .expires = {},
                    .source = "the environment"};
  if (const std::string_view expires = variable(surroundings, "AWS_CREDENTIAL_EXPIRATION"); !expires.empty()) {
    Result<Time> time = parse_time(expires);
    if (!time.ok())
      return make_error(ErrorCode::invalid_argument, "AWS_CREDENTIAL_EXPIRATION: " + time.error().message);
    found.expires = *time;
  }
  return std::optional<Credentials>(std::move(found));
}

Result<std::optional<Credentials>> credentials_from_profile(const Surroundings& surroundings) {
  const auto [profile, is_chosen] = profile_name(surroundings);
  CAIRN_TRY(const std::optional<ProfileFile> credentials, credentials_file(surroundings, profile));
  CAIRN_TRY(const std::optional<ProfileFile> config, config_file(surroundings, profile));
  bool has_profile = false;
  for (const std::optional<ProfileFile>* file : {&credentials, &config}) {
    if (!*file || !(*file)->has_profile()) continue;
    has_profile = true;
    CAIRN_TRY(std::optional<Credentials> found, credentials_in(**file, profile));
    if (found) return found;
  }
  if (is_chosen && !has_profile) {
    return make_error(ErrorCode::invalid_argument,
                      "profile " + quoted(profile) + ", which AWS_PROFILE names, is in neither file of ~/.aws");
  }
  return std::optional<Credentials>();
}

std::string configured_endpoint(const Surroundings& surroundings) {
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    if (const std::string_view url = variable(surroundings, name); !url.empty()) return std::string(url);
  }
  return {};
}

Result<std::optional<std::string>> configured_region(const Surroundings& surroundings) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (const std::string_view region = variable(surroundings, name); !region.empty()) {
      return std::optional<std::string>(region);
    }
  }
  const std::string profile = profile_name(surroundings).name;
  CAIRN_TRY(const std::optional<ProfileFile> config, config_file(surroundings, profile));
  if (config && !config->value("region").empty()) return std::optional<std::string>(config->value("region"));
  CAIRN_TRY(const std::optional<ProfileFile> credentials, credentials_file(surroundings, profile));
  if (credentials && !credentials->value("region").empty()) {
    return std::optional<std::string>(credentials->value("region"));
  }
  return std::optional<std::string>();
}

}  // namespace cairn::s3
