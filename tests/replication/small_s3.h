// SPDX-License-Identifier: Apache-2.0
//
// A server of S3 in this process, for tests that need thousands of requests: one bucket in memory, whatever its name
// is. It believes every signature, and compares every body with the digest that is signed, as servers do.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "replication/s3/uri.h"
#include "tests/replication/loopback_server.h"

namespace cairn::testing {

class SmallS3 {
 public:
  SmallS3();
  s3::Endpoint endpoint() const;
  void clear();

 private:
  struct Asked;
  struct Answer;
  struct Upload {
    std::string key;
    std::map<unsigned, std::string> parts;
  };
  void serve(TcpSocket& client);
  Answer answer(const Asked& asked);
  Answer answer_bucket(const Asked& asked);
  Answer answer_upload(const Asked& asked);
  Answer list(const Asked& asked);
  Answer list_uploads();
  Answer get(const Asked& asked);
  Answer remove_all(const Asked& asked);

  std::mutex mutex_;
  std::map<std::string, std::string> objects_;
  std::map<std::string, Upload> uploads_;
  std::size_t uploads_begun_ = 0;
  LoopbackServer listener_;  // last: its threads use the others
};

}  // namespace cairn::testing
