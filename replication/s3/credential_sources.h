// SPDX-License-Identifier: Apache-2.0
//
// The four places where credentials may be. Each returns nothing where it has none, and an error where it should have
// some and has not (see CredentialSource). Each call looks anew. No error holds a secret, or a line that may hold one.
#pragma once

#include <optional>
#include <string>

#include "cairn/result.h"
#include "replication/s3/credentials.h"

namespace cairn::s3 {

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION. Empty is as if not set.
Result<std::optional<Credentials>> credentials_from_environment(const Surroundings& surroundings);

// The profile AWS_PROFILE, or "default", in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) or else in AWS_CONFIG_FILE
// (~/.aws/config). A profile that is named and missing is an error, and so is one whose credentials come from elsewhere
// (a role, a process, single sign-on), which this client does not do.
Result<std::optional<Credentials>> credentials_from_profile(const Surroundings& surroundings);

// What AWS_REGION or AWS_DEFAULT_REGION says, or else the profile; nothing where none does.
Result<std::optional<std::string>> configured_region(const Surroundings& surroundings);

// What AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL says; empty where neither does.
std::string configured_endpoint(const Surroundings& surroundings);

// The endpoint that a container's AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI names. The latter is asked over
// TLS, or without on this machine and at the two link-local addresses that AWS's agents have, and nowhere else.
Result<std::optional<Credentials>> credentials_from_container(const Surroundings& surroundings);

// The role of an EC2 instance, from its metadata service, version 2 (with a session token) alone. No reply within a
// second means that this is no such machine. AWS_EC2_METADATA_DISABLED=true: not asked.
Result<std::optional<Credentials>> credentials_from_instance(const Surroundings& surroundings);

}  // namespace cairn::s3
