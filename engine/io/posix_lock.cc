// SPDX-License-Identifier: Apache-2.0
#include "engine/io/posix_lock.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "engine/base/errors.h"

namespace cairn {
namespace {

// flock belongs to an open file description, which fork() shares: without this, a child
// that outlives its parent would hold the store. So children close the descriptors.
class HeldDescriptors {
 public:
  static HeldDescriptors& instance() {
    static HeldDescriptors* const held = new HeldDescriptors;  // outlives static destructors
    return *held;
  }
  void add(int fd) {
    const std::lock_guard guard(mutex_);
    fds_.insert(fd);
  }
  void remove(int fd) {
    const std::lock_guard guard(mutex_);
    fds_.erase(fd);
  }

 private:
  HeldDescriptors() {
    static_cast<void>(::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                                       [] { instance().let_go(); }));
  }

  // In the child. Forgotten too, because the numbers may come to mean other files, which
  // the child's own children must not close.
  void let_go() {
    for (const int fd : fds_) ::close(fd);
    fds_.clear();
    mutex_.unlock();
  }

  std::mutex mutex_;
  std::set<int> fds_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd), owner_(::getpid()) { HeldDescriptors::instance().add(fd_); }
  ~PosixLock() override {
    // In a forked child the descriptor is closed already and may be someone else's now.
    if (::getpid() != owner_) return;
    HeldDescriptors::instance().remove(fd_);
    ::close(fd_);
  }
  PosixLock(const PosixLock&) = delete;
  PosixLock& operator=(const PosixLock&) = delete;

 private:
  const int fd_;
  const pid_t owner_;
};

// The process id in the file; 0 when there is none.
pid_t read_pid(int fd) {
  std::array<char, 32> text{};
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  pid_t pid = 0;
  if (got > 0) std::from_chars(text.data(), text.data() + got, pid);
  return pid > 0 ? pid : 0;
}

// The holder takes the lock first and then writes its id: for an instant the file may be
// empty or name an earlier holder, who is dead.
pid_t find_holder(int fd) {
  pid_t pid = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    pid = read_pid(fd);
    if (pid != 0 && (::kill(pid, 0) == 0 || errno != ESRCH)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return pid;
}

Error held_error(const std::string& path, pid_t holder) {
  std::string message = path + " is held by ";
  if (holder == 0) {
    message += "a process that could not be named";
  } else if (holder == ::getpid()) {
    message += "this process, pid " + std::to_string(holder);
  } else {
    message += "pid " + std::to_string(holder);
  }
  Error error = make_error(ErrorCode::held, std::move(message));
  error.retryable = true;
  return error;
}

// Whether the locked file is still the one at `path`, and not one removed meanwhile.
bool still_at(const std::string& path, int fd) {
  struct stat locked {};
  struct stat present {};
  return ::fstat(fd, &locked) == 0 && ::stat(path.c_str(), &present) == 0 && locked.st_dev == present.st_dev &&
         locked.st_ino == present.st_ino;
}

// Overwrites in place, because on a full disk a file that was emptied could not be filled
// again; and a lock whose file names nobody still locks, so failure is not an error.
void write_pid(int fd) {
  const std::string text = std::to_string(::getpid()) + "\n";
  const ssize_t written = ::pwrite(fd, text.data(), text.size(), 0);
  if (written == static_cast<ssize_t>(text.size())) {
    [[maybe_unused]] const int ignored = ::ftruncate(fd, static_cast<off_t>(text.size()));
  }
}

}  // namespace

Result<std::unique_ptr<FileLock>> lock_posix_file(const std::string& path) {
  for (;;) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
      if (errno == EINTR) continue;
      return error_from_errno(errno, "lock " + path);
    }
    int locked = 0;
    do {
      locked = ::flock(fd, LOCK_EX | LOCK_NB);
    } while (locked != 0 && errno == EINTR);
    if (locked != 0) {
      Error error = errno == EWOULDBLOCK ? held_error(path, find_holder(fd)) : error_from_errno(errno, "lock " + path);
      ::close(fd);
      return error;
    }
    if (!still_at(path, fd)) {
      ::close(fd);
      continue;
    }
    write_pid(fd);
    return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(fd));
  }
}

}  // namespace cairn
