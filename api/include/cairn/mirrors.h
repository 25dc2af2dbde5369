// SPDX-License-Identifier: Apache-2.0
//
// Mirrors: remote views of a store, kept in S3-compatible storage or in a PostgreSQL database. A mirror is shared by
// any number of stores, on any number of machines.
//
// In storage there is what the store has: content that is there, from whichever store, is not sent again, and what a
// store says (names, versions, checkpoints, objects, results) is mirrored when everything that it needs is there, in
// the order of the store's log. In a database there are rows of what it says: experiments, evaluations, results,
// metrics, and which names, files and tensors there are (docs/postgres.md).
//
// Credentials are never a part of a mirror's place, nor kept in the store. Those of S3 come from where Amazon's own
// tools look for them, the environment, ~/.aws, the container's or the machine's metadata service, each time they are
// needed; a database's password from where PostgreSQL's do, ~/.pgpass, PGPASSFILE or PGPASSWORD.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cairn/progress.h"
#include "cairn/result.h"
#include "cairn/ticket.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

class StoreImpl;
struct RepairReport;

// Where a mirror is.
struct MirrorPlace {
  // "s3://bucket" or "s3://bucket/prefix"; or "postgresql://host/database", as PostgreSQL's own programs take it, but
  // for a password.
  std::string url;
  // Of S3: "https://host:port"; empty: Amazon's own for the region.
  std::string endpoint = {};
  // Of S3. Empty: what the environment and ~/.aws say, or else us-east-1.
  std::string region = {};
  // Certificates in PEM to be trusted instead of the platform's; empty: those, and of a database those in
  // ~/.postgresql/root.crt.
  std::string ca_file = {};
  friend bool operator==(const MirrorPlace&, const MirrorPlace&) = default;
};

struct MirrorInfo {
  std::string name;
  MirrorPlace place;
};

struct MirrorPushReport {
  std::uint64_t statements = 0;     // names, objects and results that were said, or said to be gone
  std::uint64_t records = 0;        // blocks and objects that the mirror did not have
  std::uint64_t content_bytes = 0;  // of those, as the store has them: encoded
  std::uint64_t rows = 0;           // of a database, that were written or removed
  std::uint64_t sent_bytes = 0;     // with what says where they are; of rows about
  std::uint64_t requests = 0;       // that put something; of a database transactions
  // What could not be mirrored because it is damaged here, or a database has no place for it, in words that name it:
  // see Store::check().
  std::vector<std::string> left_out;
};

struct MirrorPullReport {
  std::uint64_t names = 0;          // versions, and of a whole store everything that it says
  std::uint64_t records = 0;        // blocks and objects that the store did not have
  std::uint64_t fetched_bytes = 0;  // with what lay between
  std::uint64_t requests = 0;       // that fetched those
  // Of a database: rows that were looked at, and what was written of them.
  std::uint64_t rows = 0;
  std::uint64_t experiments = 0, evaluations = 0, results = 0, metric_blocks = 0;
  // What is something else here than there, and stayed what it is here; and what the database does not have whole: how
  // many, and the first of them in words.
  std::uint64_t conflict_count = 0, left_out_count = 0;
  std::vector<std::string> conflicts, left_out;
};

// What a mirror has of one store.
struct MirroredStoreInfo {
  std::string id;  // 32 hexadecimal digits
  bool is_this = false;
  std::string problem;             // why what the mirror has of it cannot be read; empty: it can
  std::vector<std::string> names;  // "NAME@V", by name, then version
};

struct MirrorStatus {
  MirrorInfo mirror;
  std::uint64_t packs = 0, pack_bytes = 0;    // in storage, of all stores
  std::map<std::string, std::uint64_t> rows;  // in a database, of this store, by table; in storage there are none
  std::vector<MirroredStoreInfo> stores;
  // In a database: what of this store is left out there, and why.
  std::vector<std::string> left_out;
  // What a push would say now, what the last one had to leave out included; and how much of the log was not looked at
  // yet.
  std::uint64_t behind_statements = 0, behind_bytes = 0;
};

struct MirrorVerifyReport {
  std::uint64_t stores = 0, statements = 0, packs = 0, records = 0, pack_bytes = 0, bytes_read = 0;
  std::map<std::string, std::uint64_t> rows;  // of a database, of this store, by table
  std::vector<std::string> problems;          // none: all is well
};

// How a mirror is kept up to date while the store is open.
struct MirroringOptions {
  // What is committed waits so long for more to be sent with it, unless so much of the log is there, or somebody waits
  // for it. Sending little and often makes many small objects.
  std::chrono::milliseconds linger{1'000};
  std::uint64_t linger_bytes = 64ull * 1024 * 1024;
  // Sent at most so fast, on average; 0: no limit.
  std::uint64_t bytes_per_second = 0;
  // Requests that send, at the same time; each has up to 32 MiB in memory. To a database it is one connection, which is
  // closed when there was nothing new for five seconds.
  unsigned parallel = 2;
  // Added to the niceness of the threads that do it, 0 to 19.
  int nice = 10;
};

enum class MirroringState : std::uint8_t {
  starting,  // nothing was asked yet
  current,   // the mirror has everything that is committed
  waiting,   // for more, before it sends
  pushing,
  failing,  // the last push failed: it tries again, ever less often, up to every five minutes
  paused,
  stopped,
};

// Since it was started.
struct MirroringStats {
  MirroringState state = MirroringState::starting;
  // Of the log that is committed and not mirrored yet; records also count those that a mirror has no use for.
  std::uint64_t lag_bytes = 0, lag_records = 0;
  std::chrono::nanoseconds lag{0};  // how long the oldest of it has waited
  std::uint64_t pushes = 0;         // that succeeded
  std::uint64_t failures = 0;       // pushes that did not
  std::string error;                // of the last push; empty when it succeeded
  std::chrono::nanoseconds retry_in{0};
  MirrorPushReport sent;  // by all of them; left_out is the last one's
};

struct MirrorGcOptions {
  // Share of a pack's bytes that no store needs any more; with more of them, what is needed of it is copied.
  double max_dead = 0.2;
  // What no store needs any more is noted first, and removed by a call that comes at least this much later, by the
  // server's clock: whoever pulls or pushes meanwhile is not disturbed. Much longer than any pull takes, and at least
  // an hour. Zero, for when nobody else uses the mirror: this call removes it at once.
  std::chrono::seconds grace = std::chrono::hours(24);
  // Reads every byte of every pack, and heals what is damaged.
  bool read_data = false;
  bool dry_run = false;  // only says what would be noted
};

struct MirrorGcReport {
  std::uint64_t stores = 0;
  std::uint64_t packs = 0, pack_bytes = 0;             // as they were, without those noted before
  std::uint64_t live_bytes = 0;                        // blocks and objects that some store needs
  std::uint64_t noted_packs = 0, noted_bytes = 0;      // to be removed once the grace is over
  std::uint64_t copied_records = 0, copied_bytes = 0;  // out of those
  std::uint64_t removed_packs = 0, removed_bytes = 0;
  bool waits = false;  // something was noted before, and its grace is not over
  // Blocks and objects that are needed and can be read nowhere in the mirror, in words. The next push of a store that
  // has them puts them again.
  std::vector<std::string> lost;
};

// Of one store; any thread. Calls that ask the mirror block, and try again what may succeed later. Errors name what was
// asked and never hold a secret. ErrorCode::unsupported: this build has no S3 or no PostgreSQL, the mirror is of stores
// with another digest, or it is a database and the call is about content: gc(), repair() and restore(). not_found: no
// mirror of that name. Progress may stop a call: ErrorCode::cancelled.
class Mirrors {
 public:
  // Notes the place under a name (letters, digits, '-', '_', '.'; at most 64), in the store's folder, where read-only
  // openers find it too. Asks the mirror nothing. already_exists: the name has another place. invalid_argument: a
  // place that makes no sense, or a password in the URL of a database.
  Status add(const std::string& name, const MirrorPlace& place);
  // Forgets the place, and keeps it up to date no more. What is there stays.
  Result<bool> remove(const std::string& name);
  Result<std::vector<MirrorInfo>> list();

  // Brings the mirror up to date with what is committed here. Beside whoever writes, also from a read-only opener.
  // Creates the bucket, or the tables, when they are missing. After a failure what was sent is there, and the next push
  // goes on. conflict: the mirror has another history of this store, of a copy that went its own way; retryable:
  // another program pushes this store into the same database, which is waited for a little.
  Result<MirrorPushReport> push(const std::string& name, const Progress& progress = {});

  // Keeps the mirror up to date from now on, in a thread of the store's own, until stop() or close(). Beside whoever
  // reads and writes; nobody waits for it, and nothing is kept for it: while the mirror is away the store grows and
  // is reclaimed as without, and what is there when it comes back is sent. Also of a read-only opener, which follows
  // the writer. already_exists: it is kept up to date already.
  Status start(const std::string& name, const MirroringOptions& options = {});
  // Returns when nothing is under way; what is not mirrored yet stays so: see wait_until_mirrored(). False: it was not
  // kept up to date.
  Result<bool> stop(const std::string& name);
  // Nothing is sent from when pause() returns until as many calls of resume(). not_found: it is not kept up to date.
  Status pause(const std::string& name);
  Status resume(const std::string& name);
  // The same error.
  Result<MirroringStats> mirroring(const std::string& name);
  // Everything that was put, saved or removed before is committed and mirrored, so that it can be restored without this
  // machine; sends it now. The error with which a put failed to be committed. At the end of `time`, which begins once
  // it is, the error of the last push, or cancelled, both retryable; one that will not go away by itself is returned at
  // once. corruption: something is left out. not_found: it is not kept up to date.
  Status wait_until_mirrored(const std::string& name, std::chrono::nanoseconds time = std::chrono::nanoseconds::max());
  // The same of one put, `time` for all of it.
  Status wait_until_mirrored(const std::string& name, const Ticket& put,
                             std::chrono::nanoseconds time = std::chrono::nanoseconds::max());

  // Brings versions ("NAME": the latest, or "NAME@V") from the mirror, whichever store they are from, or the one that
  // `from` names. Each is verified before it has its name here. not_found: the mirror does not have one; conflict:
  // stores of the mirror have different ones, or this store has something else under that name and number. Others who
  // write wait.
  // From a database: experiments, evaluations, results and metrics, of the store that `from` names or of all; or, with
  // `refs`, these experiments alone, with what belongs to them. docs/postgres.md says which counts when both have one.
  Result<MirrorPullReport> pull(const std::string& name, const std::vector<std::string>& refs,
                                const std::string& from = {}, const Progress& progress = {});

  Result<MirrorStatus> status(const std::string& name);

  // Whether everything that any store has mirrored is there, and can be followed down to blocks; with `read_data` every
  // byte is read and compared. Of a database: whether it has what this store says, and nothing else of it, row by row.
  Result<MirrorVerifyReport> verify(const std::string& name, bool read_data = false, const Progress& progress = {});

  // Gives the mirror's room back: what no store that is mirrored there needs any more. Beside whoever pushes and pulls;
  // needs the right to remove. Heals packs that are found damaged, as far as there is another copy. corruption: what
  // some store says there cannot be read, so that nobody can tell what it needs; conflict: somebody else reclaims the
  // same mirror now.
  Result<MirrorGcReport> gc(const std::string& name, const MirrorGcOptions& options = {},
                            const Progress& progress = {});

  // Store::repair(), and what it cannot mend is fetched from the mirror, verified, and written. What the mirror does
  // not have either is named.
  Result<RepairReport> repair(const std::string& name, const Progress& progress = {});

  // Makes a store at `path`, where none is, of all that a mirror has of one: of the only one, or of that which `from`
  // names. It has an identity of its own, and knows no mirror yet. It is made beside `path`, as `path`.restoring, and
  // has its name once it is whole.
  static Result<MirrorPullReport> restore(const std::string& path, const MirrorPlace& place,
                                          const std::string& from = {}, const Progress& progress = {});

 private:
  friend class Store;
  explicit Mirrors(StoreImpl& store) : store_(&store) {}
  StoreImpl* store_;
};

}  // namespace cairn
#pragma GCC visibility pop
