// SPDX-License-Identifier: Apache-2.0
//
// How the endpoints that hand out credentials are asked: over connections of their own, which are not kept.
#pragma once

#include <string>

#include "replication/s3/surroundings.h"

namespace cairn::s3 {

// For system_surroundings(). `ca_file` as in TransportOptions. Nothing of a reply stays in memory but the Secret.
EndpointExchange direct_exchange(std::string ca_file);

}  // namespace cairn::s3
